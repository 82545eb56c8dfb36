/** A span in words for people: `45 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`. What has not passed yet is not counted. */
export const spanWords = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  return longSpanWords(minutes)
}

/**
 * The same without seconds beside minutes, for sentences that are read at a glance: `4 min`. Cut where the pages cut
 * (`formatDuration` in `components/ui/format.ts`), so that a headline and the row below it say the same number.
 */
export const roughSpanWords = (ms: number): string => {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min` : longSpanWords(minutes)
}

const longSpanWords = (minutes: number): string => {
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${Math.floor(hours / 24)} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** `1 240`: thousands apart, whatever the reader's locale. */
export const countWords = (count: number): string =>
  String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ' ')

/** `1 tunnel`, `4 tunnels`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${countWords(count)} ${Math.round(count) === 1 ? one : many}`

/** `fra-1`, `fra-1 and fra-2`, `fra-1, fra-2 and 3 more`. */
export const listWords = (names: readonly string[], shown = 3): string => {
  if (names.length <= 1) return names[0] ?? ''
  if (names.length > shown) return `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
