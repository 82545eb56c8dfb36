import { isCount } from '../facts.ts'
import { cleanText } from '../untrusted-json.ts'

/** Rows of `show stat` are of these sorts (`type` of the management guide, "CSV format"). */
const SORTS = ['frontend', 'backend', 'server', 'listener'] as const

/** One row of `show stat`: its numbers by the names of HAProxy's header. */
export interface StatRow {
  readonly sort: (typeof SORTS)[number]
  /** Name of the proxy that it belongs to. */
  readonly proxy: string
  /** Name of the server; of others `FRONTEND` or `BACKEND`. */
  readonly name: string
  /** `UP`, `DRAIN`, `MAINT (via web/web-1)`, `OPEN` … */
  readonly status: string
  /** `tcp`, `http`; empty where this version does not say. */
  readonly mode: string
  /** The name of the newest check's result, for example `L4CON`, with `* ` before it while one runs; empty without checks. */
  readonly checkStatus: string
  readonly lastCheck: string
  /** What HAProxy counts and holds; absent where the row has nothing there. */
  readonly numbers: Readonly<Partial<Record<StatNumber, number>>>
}

const NUMBERS = [
  'qcur',
  'scur',
  'stot',
  'bin',
  'bout',
  'dreq',
  'econ',
  'weight',
  'act',
  'bck',
  'lastchg',
  'check_code',
  'hrsp_1xx',
  'hrsp_2xx',
  'hrsp_3xx',
  'hrsp_4xx',
  'hrsp_5xx',
  'hrsp_other',
  'req_tot',
  'conn_tot',
  'dcon',
  'dses',
] as const
export type StatNumber = (typeof NUMBERS)[number]

const HEADER = '# pxname,svname,'
const NEEDED = ['pxname', 'svname', 'status', 'type', 'scur']

/** A table that cannot be read, in words that follow "the statistics". */
export type Statistics = { rows: StatRow[] } | { fault: string }

/**
 * Reads what `show stat` answered, wherever in `text` it stands. Columns are found by the names of the header: each version adds some.
 */
export const readStatistics = (text: string): Statistics => {
  const start = text.indexOf(HEADER)
  if (start < 0) return { fault: 'are missing from the answer' }
  const records = csvRecords(text, start + 2)
  const header = records.next().value ?? []
  const columns = new Map(header.map((name, index) => [name, index]))
  const missing = NEEDED.filter((name) => !columns.has(name))
  if (missing.length > 0) return { fault: `have no column ${missing.join(', ')}` }
  const indexOf = (name: string): number => columns.get(name) ?? -1
  const at = {
    proxy: indexOf('pxname'),
    name: indexOf('svname'),
    status: indexOf('status'),
    type: indexOf('type'),
    mode: indexOf('mode'),
    checkStatus: indexOf('check_status'),
    lastCheck: indexOf('last_chk'),
  }
  const numbersAt = NUMBERS.map((name) => [name, indexOf(name)] as const).filter(([, index]) => index >= 0)
  const rows: StatRow[] = []
  for (const record of records) {
    const sort = SORTS[Number(record[at.type])]
    // A short record is the end of an answer that was cut; the last column of the header is empty, so a whole one is as long.
    if (sort === undefined || record.length < header.length - 1) return { fault: 'end half-way' }
    const textOf = (index: number): string => cleanText(record[index] ?? '')
    const numbers: Partial<Record<StatNumber, number>> = {}
    for (const [name, index] of numbersAt) {
      const field = record[index]
      if (field === undefined || field === '') continue
      const number = Number(field)
      if (isCount(number)) numbers[name] = number
    }
    rows.push({
      sort,
      proxy: textOf(at.proxy),
      name: textOf(at.name),
      status: textOf(at.status),
      mode: textOf(at.mode),
      checkStatus: textOf(at.checkStatus),
      lastCheck: textOf(at.lastCheck),
      numbers,
    })
  }
  return { rows }
}

/** Records of comma-separated values from `start` to the first empty line (RFC 4180; HAProxy quotes what a program it checks has said). */
function* csvRecords(text: string, start: number): Generator<string[], undefined> {
  let from = start
  while (from < text.length && text[from] !== '\n') {
    const end = text.indexOf('\n', from)
    const line = text.slice(from, end < 0 ? undefined : end)
    if (!line.includes('"')) {
      yield line.split(',')
      from = end < 0 ? text.length : end + 1
      continue
    }
    const quoted = quotedRecord(text, from)
    yield quoted.fields
    from = quoted.next
  }
}

/** One record that has quotes in it: they may hold commas, and ends of lines. */
const quotedRecord = (text: string, start: number): { fields: string[]; next: number } => {
  const fields: string[] = []
  let field = ''
  let isQuoted = false
  let at = start
  for (; at < text.length; at += 1) {
    const char = text[at]
    if (isQuoted) {
      if (char !== '"') field += char
      else if (text[at + 1] === '"') {
        field += '"'
        at += 1
      } else isQuoted = false
    } else if (char === '"') isQuoted = true
    else if (char === ',' || char === '\n') {
      fields.push(field)
      field = ''
      if (char === '\n') return { fields, next: at + 1 }
    } else field += char
  }
  return { fields: [...fields, field], next: at }
}
