// "Did you mean": names near a misspelt one. Pure text; case is ignored because no list of ours differs by case alone.

/** Longer input is cut: nobody mistypes a name of this length, and the distance costs the product of both lengths. */
const MAX_COMPARED_LENGTH = 64;

/**
 * Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours, each costing 1.
 * Source: Damerau 1964, in the restricted form that edits no substring twice.
 */
export function editDistance(left: string, right: string): number {
  const width = right.length + 1;
  const rows = Array.from({ length: left.length + 1 }, () => new Uint16Array(width));
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 0; i <= left.length; i++) {
    const row = rows[i];
    if (!row) break;
    for (let j = 0; j < width; j++) {
      if (i === 0 || j === 0) {
        row[j] = i + j;
        continue;
      }
      const same = left[i - 1] === right[j - 1];
      let best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        best = Math.min(best, at(i - 2, j - 2) + 1);
      }
      row[j] = best;
    }
  }
  return at(left.length, right.length);
}

/** Up to `limit` candidates at most a third of the name's length (at least 1, at most 3 edits) away, closest first. */
export function nearestNames(name: string, candidates: readonly string[], limit = 3): readonly string[] {
  const wanted = name.trim().slice(0, MAX_COMPARED_LENGTH).toLowerCase();
  const reach = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)));
  return candidates
    .map(candidate => ({
      candidate,
      distance: editDistance(wanted, candidate.slice(0, MAX_COMPARED_LENGTH).toLowerCase()),
    }))
    .filter(({ distance }) => distance <= reach)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}
