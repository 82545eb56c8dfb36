import { type CountByPart, type CounterName, type Counters, type Gauges, isCount } from '../facts.ts'
import { cleanText, readJson } from '../untrusted-json.ts'

/** The listener and the connection manager of the administration interface itself: we, and whoever else looks. */
const OWN = 'admin'

/** One listener, by the prefix of its statistics, for example `0.0.0.0_10000`. */
export interface ListenerRow {
  readonly name: string
  readonly active: number
  readonly total: number
}

export interface EnvoyStatistics {
  readonly gauges: Gauges
  readonly counters: Counters
  readonly listeners: readonly ListenerRow[]
  /** Connections that the process before a hot restart still holds. */
  readonly parentConnections: number
}

const LISTENER = [
  'downstream_cx_active',
  'downstream_cx_total',
  'downstream_cx_overflow',
  'downstream_cx_overload_reject',
  'downstream_global_cx_overflow',
]
const HTTP = [
  'downstream_rq_active',
  'downstream_rq_total',
  'downstream_rq_5xx',
  'downstream_cx_rx_bytes_total',
  'downstream_cx_tx_bytes_total',
]
const TCP = ['downstream_cx_rx_bytes_total', 'downstream_cx_tx_bytes_total']
const SERVER = ['live', 'parent_connections', 'memory_physical_size']

const FILTER = `^(server\\.(${SERVER.join('|')})|listener\\..*\\.(${LISTENER.join('|')})|http\\..*\\.(${HTTP.join('|')})|tcp\\..*\\.(${TCP.join('|')}))$`

/**
 * What is asked for: only what is read, and of that only what was ever touched, since an Envoy with many clusters has millions of
 * statistics.
 */
export const STATISTICS_PATH = `/stats?format=json&usedonly&filter=${encodeURIComponent(FILTER)}`

/** Each worker counts for itself too: `listener.0.0.0.0_80.worker_3.downstream_cx_active` is part of the one without it. */
const PER_WORKER = /\.(?:worker_\d+|main_thread)$/

/**
 * Reads an answer, or says in a sentence why it is none. Never throws.
 *
 * @param keep listeners and connection managers that are not counted, by the prefix of their statistics
 */
export const readStatistics = (
  text: string,
  keep: readonly string[],
): EnvoyStatistics | { fault: string } => {
  const read = readJson(text)
  if (!read.ok) return { fault: `the statistics cannot be read: ${read.reason}` }
  const list = (read.value as { stats?: unknown } | null)?.stats
  if (!Array.isArray(list)) return { fault: 'the answer to /stats has no list of statistics' }
  const values = new Map<string, number>()
  for (const entry of list as ({ name?: unknown; value?: unknown } | null)[]) {
    // Histograms have neither.
    if (typeof entry?.name !== 'string') continue
    const value = typeof entry.value === 'string' ? Number(entry.value) : entry.value
    if (isCount(value)) values.set(entry.name, value)
  }
  // What was never touched is not sent: without this one nobody could tell that from an answer that holds nothing.
  if (!values.has('server.live')) return { fault: 'the statistics lack server.live, which every Envoy has' }
  return sumUp(values, new Set([OWN, ...keep]))
}

const sumUp = (values: ReadonlyMap<string, number>, except: ReadonlySet<string>): EnvoyStatistics => {
  const listeners = partsOf(values, 'listener', LISTENER, except)
  const http = partsOf(values, 'http', HTTP, except)
  const tcp = partsOf(values, 'tcp', TCP, except)
  const parentConnections = values.get('server.parent_connections') ?? 0
  const rss = values.get('server.memory_physical_size')
  const total = (counts: CountByPart) => Object.values(counts).reduce((sum, count) => sum + count, 0)
  // One sum for each: what is absent was never touched, so that a listener's first connection is an increase like any other.
  const counted = (...parts: [string, CountByPart | undefined][]): CountByPart =>
    Object.fromEntries(parts.map(([part, counts = {}]) => [part, total(counts)] as const))
  const active = listeners.downstream_cx_active ?? {}
  const accepted = listeners.downstream_cx_total ?? {}
  const counters: Partial<Record<CounterName, CountByPart>> = {
    connections_accepted: counted(['listener', accepted]),
    connections_refused: counted(
      ['overflow', listeners.downstream_cx_overflow],
      ['overload', listeners.downstream_cx_overload_reject],
      ['global', listeners.downstream_global_cx_overflow],
    ),
    requests: counted(['http', http.downstream_rq_total]),
    requests_failed: counted(['http', http.downstream_rq_5xx]),
    bytes_up: counted(['http', http.downstream_cx_rx_bytes_total], ['tcp', tcp.downstream_cx_rx_bytes_total]),
    bytes_down: counted(
      ['http', http.downstream_cx_tx_bytes_total],
      ['tcp', tcp.downstream_cx_tx_bytes_total],
    ),
  }
  return {
    gauges: {
      connections: total(active) + parentConnections,
      requests_pending: total(http.downstream_rq_active ?? {}),
      ...(rss === undefined || rss === 0 ? {} : { rss_bytes: rss }),
    },
    counters,
    listeners: [...new Set([...Object.keys(active), ...Object.keys(accepted)])].map((name) => ({
      name,
      active: active[name] ?? 0,
      total: accepted[name] ?? 0,
    })),
    parentConnections,
  }
}

/** Values by name and part: `listener.0.0.0.0_80.downstream_cx_active` is part `0.0.0.0_80` of that name. */
const partsOf = (
  values: ReadonlyMap<string, number>,
  root: string,
  names: readonly string[],
  except: ReadonlySet<string>,
): Readonly<Record<string, Record<string, number>>> => {
  const parts: Record<string, Record<string, number>> = {}
  for (const [whole, value] of values) {
    if (!whole.startsWith(`${root}.`)) continue
    const name = names.find((each) => whole.endsWith(`.${each}`))
    if (name === undefined) continue
    const part = whole.slice(root.length + 1, -name.length - 1)
    if (except.has(part) || part === '' || PER_WORKER.test(`.${part}`)) continue
    parts[name] ??= {}
    parts[name][cleanText(part)] = value
  }
  return parts
}
