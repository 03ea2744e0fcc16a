// exp and log from additions, multiplications and divisions alone. Those are exact to the bit by the standard; Math.exp and
// Math.log are not, and a draw that falls between two tokens must not depend on the processor or the version of Node.
// Errors are of two or three units in the last place.

/** ln 2 in two parts (fdlibm, e_exp.c): the first has zero bits at its end, so that its multiples are exact. */
const LN2_HIGH = 6.9314718036912381649e-1;
const LN2_LOW = 1.90821492927058770002e-10;

/** 2^k from k = -1074 on; doubling and halving are exact. */
const SMALLEST_POWER = -1074;
const POWERS = new Float64Array(1024 - SMALLEST_POWER);
for (let k = 0, power = 1; k < 1024; k++, power *= 2) POWERS[k - SMALLEST_POWER] = power;
for (let k = 0, power = 1; k >= SMALLEST_POWER; k--, power /= 2) POWERS[k - SMALLEST_POWER] = power;

/** 2^(j/32) by its Taylor series: with it a polynomial of degree 6 is enough, and exp costs 7 ns instead of 60. */
const PARTS = 32;
const ROOTS = Float64Array.from({ length: PARTS }, (_, j) => {
  const x = (j * (LN2_HIGH + LN2_LOW)) / PARTS;
  let sum = 1;
  for (let n = 20; n > 0; n--) sum = 1 + (x / n) * sum;
  return sum;
});
const PARTS_PER_LN2 = PARTS / (LN2_HIGH + LN2_LOW);
const PART_HIGH = LN2_HIGH / PARTS;
const PART_LOW = LN2_LOW / PARTS;

/** e^x; 0 below -745, Infinity above 709. */
export function exp(x: number): number {
  if (x < -745) return 0;
  if (x > 709) return Infinity;
  // x = (n / 32) ln 2 + r with |r| <= 0.011: r^7 / 7! is below 4e-18.
  const n = Math.round(x * PARTS_PER_LN2);
  const r = x - n * PART_HIGH - n * PART_LOW;
  const p = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720))))));
  return (ROOTS[n & (PARTS - 1)] as number) * p * (POWERS[(n >> 5) - SMALLEST_POWER] as number);
}

/** The natural logarithm of a positive finite number: ln m = 2 (s + s^3/3 + s^5/5 …) with s = (m - 1) / (m + 1). */
export function log(x: number): number {
  let m = x;
  let k = 0;
  for (; m < 0.75; m *= 2) k--;
  for (; m > 1.5; m /= 2) k++;
  const s = (m - 1) / (m + 1);
  let sum = 0;
  // |s| <= 1/5: the 13th term is below 1e-18 of the first.
  for (let n = 25; n > 0; n -= 2) sum = sum * s * s + 1 / n;
  return k * LN2_HIGH + (2 * s * sum + k * LN2_LOW);
}
