/** The smallest of 1, 2, 4, 6, 8 × 10ⁿ that holds the value: its middle is round, and the axis does not twitch while live. */
export const niceCeiling = (value: number): number => {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  for (const factor of [1, 2, 4, 6, 8, 10]) if (value <= factor * power * 1.0000001) return factor * power
  return 10 * power
}

/** The same for counts: the axis and its middle are whole numbers. */
export const countCeiling = (value: number): number => {
  for (const ceiling of [2, 4, 6, 8]) if (value <= ceiling) return ceiling
  const power = 10 ** Math.floor(Math.log10(value))
  for (const factor of [1, 2, 4, 6, 8, 10]) if (value <= factor * power) return factor * power
  return 10 * power
}

/** Pushes labels apart that would overlap, keeping their order and staying within `[0, height]`. Answers the new positions. */
export const spreadLabels = (positions: readonly number[], apart: number, height: number): number[] => {
  const order = positions.map((y, index) => ({ y, index })).sort((a, b) => a.y - b.y)
  let floor = 0
  for (const label of order) {
    label.y = Math.max(label.y, floor)
    floor = label.y + apart
  }
  let ceiling = height
  for (const label of [...order].reverse()) {
    label.y = Math.max(0, Math.min(label.y, ceiling))
    ceiling = label.y - apart
  }
  const result = [...positions]
  for (const label of order) result[label.index] = label.y
  return result
}

const MINUTE = 60_000
const TICK_STEPS = [
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  15 * MINUTE,
  30 * MINUTE,
  60 * MINUTE,
  120 * MINUTE,
  180 * MINUTE,
  360 * MINUTE,
  720 * MINUTE,
  1440 * MINUTE,
]

/** A label needs half its width on either side; there is no room for it beyond the end of the axis. */
const NO_ROOM = 0.06

/** Round instants on the time axis, at most `most`, and none so near to its end that its label would be cut. */
export const timeTicks = (from: number, to: number, most: number): number[] => {
  const step = TICK_STEPS.find((candidate) => (to - from) / candidate <= most) ?? 1440 * MINUTE
  const last = to - (to - from) * NO_ROOM
  const ticks: number[] = []
  for (let t = Math.ceil(from / step) * step; t <= last; t += step) ticks.push(t)
  return ticks
}
