// The k largest of many, in order. Few: a heap of the k best so far, whose root is the worst of them; of a vocabulary of 150,000
// nearly every token loses against the root and costs one comparison. Many: all are sorted, as numbers, which costs 15 ms
// where a comparison function would cost 100.

/** Up to here the heap is faster. */
const HEAPED = 2048;
/** Ids are below this: the largest vocabularies in use have 262,144. */
const IDS = 2 ** 21;

/**
 * Fills `out` with the `out.length` of `ids` that have the largest values, largest first; of equals the lower id is first.
 * @param values no NaN
 * @param ids ascending, at least as many as `out` holds
 */
export function largestFirst(values: Float32Array, ids: Int32Array, out: Int32Array): void {
  if (out.length > HEAPED && values.length <= IDS) sortKeys(values, ids, out);
  else if (out.length > 0) fillHeap(values, ids, out);
}

/** Sorts numbers that have a value's bits, turned so that the largest is the smallest, over an id: 32 + 21 bits. */
function sortKeys(values: Float32Array, ids: Int32Array, out: Int32Array): void {
  const keys = new Float64Array(ids.length);
  const value = new Float32Array(1);
  const bits = new Int32Array(value.buffer);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number;
    // -0 is 0.
    value[0] = (values[id] as number) + 0;
    const b = bits[0] as number;
    keys[i] = ((b < 0 ? b : ~b & 0x7fffffff) >>> 0) * IDS + id;
  }
  keys.sort();
  for (let i = 0; i < out.length; i++) {
    const key = keys[i] as number;
    out[i] = key - Math.floor(key / IDS) * IDS;
  }
}

function fillHeap(values: Float32Array, ids: Int32Array, out: Int32Array): void {
  const size = out.length;
  for (let i = 0; i < size; i++) out[i] = ids[i] as number;
  for (let at = (size >> 1) - 1; at >= 0; at--) sink(values, out, at, size);
  let worst = values[out[0] as number] as number;
  for (let i = size; i < ids.length; i++) {
    const id = ids[i] as number;
    // An equal value has a higher id than the root, and loses.
    if ((values[id] as number) <= worst) continue;
    out[0] = id;
    sink(values, out, 0, size);
    worst = values[out[0]] as number;
  }
  for (let end = size - 1; end > 0; end--) {
    const last = out[end] as number;
    out[end] = out[0] as number;
    out[0] = last;
    sink(values, out, 0, end);
  }
}

function sink(values: Float32Array, heap: Int32Array, start: number, size: number): void {
  const id = heap[start] as number;
  let at = start;
  for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && isWorse(values, heap[child + 1] as number, heap[child] as number)) child++;
    if (!isWorse(values, heap[child] as number, id)) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = id;
}

function isWorse(values: Float32Array, a: number, b: number): boolean {
  const x = values[a] as number;
  const y = values[b] as number;
  return x < y || (x === y && a > b);
}
