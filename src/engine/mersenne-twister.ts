// MT19937 (Matsumoto and Nishimura, 1998), the generator that llama.cpp draws with: the same seed draws the same there.

const SIZE = 624;
const MIDDLE = 397;

export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  /** @param seed its lower 32 bits count */
  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < SIZE; i++) {
      const before = state[i - 1] as number;
      state[i] = Math.imul(before ^ (before >>> 30), 1_812_433_253) + i;
    }
  }

  /** 32 random bits. */
  bits(): number {
    if (this.#next === SIZE) this.#refill();
    let y = this.#state[this.#next++] as number;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** Uniform in [0, 1), of 53 bits: std::generate_canonical of 64 drawn bits, the first 32 of them the lower ones. */
  uniform(): number {
    const low = this.bits() >>> 11;
    return (this.bits() * 2 ** 21 + low) / 2 ** 53;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const y = ((state[i] as number) & 0x80000000) | ((state[(i + 1) % SIZE] as number) & 0x7fffffff);
      state[i] = (state[(i + MIDDLE) % SIZE] as number) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}
