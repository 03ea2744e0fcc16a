// How values from a file appear in messages for people.

/** A number from the file inside a message: all digits, also beyond 2^53. */
export function digits(value: number): string {
  return value > Number.MAX_SAFE_INTEGER ? String(BigInt(value)) : String(value);
}

/** A name from the file inside a message: quoted, on one line, not too long. */
export function quote(name: string): string {
  const short = name.length > 80 ? `${name.slice(0, 79)}…` : name;
  return JSON.stringify(short);
}
