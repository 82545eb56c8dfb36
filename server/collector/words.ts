/** A span in words for people: `45 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export const spanWords = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** The same without the smaller unit, for sentences that are read at a glance: `4 min`. */
export const roughSpanWords = (ms: number): string => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  return `${Math.round(minutes / 60)} h`
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
