import { plural as countedWords, durationWords } from '@/server/contract/words.ts'

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

/** On screen a number and its unit stay on one line. */
const together = (words: string): string => words.replace(/(\d) (?=\d|[a-z])/g, `$1${THIN}`)

/** A span in ms as `durationWords` says it; never zero for what is not known. */
export const formatDuration = (ms: number | null | undefined): string =>
  ms === null || ms === undefined || !Number.isFinite(ms) ? UNKNOWN : together(durationWords(ms))

/** `1 node`, `6 nodes`; the digits of a large number stay on one line. */
export const plural = (count: number, one: string, many?: string): string =>
  countedWords(count, one, many).replace(/(\d) (?=\d)/g, `$1${THIN}`)

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
