// The order that std::sort of the GNU C++ library leaves equal elements in. llama.cpp sorts special tokens by length with it,
// and which of two equally long tokens is looked for first shows where they overlap or take white space with them. The
// algorithm is introsort (Musser 1997): median-of-three quicksort down to 16 elements, then one insertion sort. Absent on
// purpose: its heap sort for inputs that make quicksort quadratic. Only what hardly differs could tell, so the order then is
// simply by length.

const SMALL = 16;

/** Sorts `values` in place, those with the smaller key first. */
export function sortLikeGnu(values: number[], key: (value: number) => number): void {
  const less = (a: number, b: number): boolean => key(at(values, a)) < key(at(values, b));
  const swap = (a: number, b: number): void => {
    const kept = at(values, a);
    values[a] = at(values, b);
    values[b] = kept;
  };
  /** Puts the median of three places at `to`. */
  const medianTo = (to: number, a: number, b: number, c: number): void => {
    if (less(a, b)) swap(to, less(b, c) ? b : less(a, c) ? c : a);
    else swap(to, less(a, c) ? a : less(b, c) ? c : b);
  };
  const partition = (first: number, last: number): number => {
    medianTo(first, first + 1, first + ((last - first) >> 1), last - 1);
    let low = first + 1;
    let high = last;
    while (true) {
      while (less(low, first)) low++;
      do high--;
      while (less(first, high));
      if (low >= high) return low;
      swap(low, high);
      low++;
    }
  };
  const quicksort = (first: number, end: number, depth: number): boolean => {
    let last = end;
    for (let left = depth; last - first > SMALL; left--) {
      if (left === 0) return false;
      const middle = partition(first, last);
      if (!quicksort(middle, last, left - 1)) return false;
      last = middle;
    }
    return true;
  };
  if (!quicksort(0, values.length, 2 * Math.floor(Math.log2(Math.max(1, values.length))))) {
    values.sort((a, b) => key(a) - key(b));
    return;
  }
  // Equal elements keep their order from here on.
  for (let i = 1; i < values.length; i++) {
    const value = at(values, i);
    let to = i;
    for (; to > 0 && key(value) < key(at(values, to - 1)); to--) values[to] = at(values, to - 1);
    values[to] = value;
  }
}

function at(values: readonly number[], index: number): number {
  return values[index] ?? 0;
}
