/** A narrow no-break space groups digits: `1 240`. */
const THIN = '\u202f'
const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

/** Never zero for what is not known: an en dash. */
export const UNKNOWN = '–'

export const formatNumber = (value: number | null | undefined): string => {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN
  return (Math.abs(value) < 100 && !Number.isInteger(value) ? tenth : whole)
    .format(value)
    .replaceAll(',', THIN)
}

const BYTES = ['B', 'KB', 'MB', 'GB', 'TB']
export const formatBytes = (bytes: number | null | undefined): string => {
  if (bytes === null || bytes === undefined) return UNKNOWN
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < BYTES.length - 1) {
    value /= 1000
    unit++
  }
  return `${formatNumber(value)}${THIN}${BYTES[unit]}`
}

/** `840 ms`, `12 s`, `3 min`, `2 h 5 min`, `4 d 2 h`. Cut, never rounded up: two places that show one span must show one number. */
export const formatDuration = (ms: number | null | undefined): string => {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return UNKNOWN
  const value = Math.max(0, ms)
  if (value < 1000) return `${Math.floor(value)}${THIN}ms`
  const seconds = value / 1000
  if (seconds < 10) return `${tenth.format(Math.floor(seconds * 10) / 10)}${THIN}s`
  if (seconds < 120) return `${Math.floor(seconds)}${THIN}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}${THIN}min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 ? `${hours}${THIN}h ${minutes % 60}${THIN}min` : `${hours}${THIN}h`
  const days = Math.floor(hours / 24)
  return hours % 24 ? `${days}${THIN}d ${hours % 24}${THIN}h` : `${days}${THIN}d`
}

/** `1 node`, `6 nodes`. */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${formatNumber(count)} ${count === 1 ? one : many}`

export type Zone = 'local' | 'utc'
const clocks = new Map<string, Intl.DateTimeFormat>()
const clock = (zone: Zone, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat => {
  const key = zone + JSON.stringify(options)
  let format = clocks.get(key)
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      ...options,
      hourCycle: 'h23',
      ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
    })
    clocks.set(key, format)
  }
  return format
}

/** `14:03:22` */
export const formatClock = (ms: number, zone: Zone): string =>
  clock(zone, { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(ms)
/** `14:03` */
export const formatMinute = (ms: number, zone: Zone): string =>
  clock(zone, { hour: '2-digit', minute: '2-digit' }).format(ms)
/** `21 Nov 2026, 14:03:22` */
export const formatDate = (ms: number, zone: Zone): string =>
  clock(zone, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).format(ms)
