/** For how long a fuzz test tries, in seconds; `npm run fuzz` gives them longer. */
export const FUZZ_SECONDS = Number(process.env.TIDEGATE_FUZZ_SECONDS ?? 3)

/** mulberry32: small, quick, and the same everywhere, so that a printed seed brings the same run back. */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** The seed of this run: `TIDEGATE_FUZZ_SEED`, or a fresh one. It is printed, so that a failure can be had again. */
export const fuzzSeed = (name: string): number => {
  const given = process.env.TIDEGATE_FUZZ_SEED
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
  process.stdout.write(`fuzz ${name}: TIDEGATE_FUZZ_SEED=${seed} for ${FUZZ_SECONDS} s\n`)
  return seed
}
