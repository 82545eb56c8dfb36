import type { NodeTable } from '../../../contract/answers/node-table.ts'
import { DeadlineError, within } from '../../../time/deadline.ts'
import type { Facts } from '../facts.ts'
import { failureOf } from '../http-probe.ts'
import type { PollOutcome, Reading } from '../reading.ts'
import type { TlsParty } from '../tls-failure.ts'
import { certificateTable, type Shown } from './certificate.ts'
import { doingWords, type Timings } from './dial.ts'

export interface CheckOptions {
  readonly timeoutMs: number
  readonly party: TlsParty
  /** The steps that the connection takes. */
  readonly steps: readonly (keyof Timings)[]
  /** Aborts when the adapter is closed: nobody would wait for the look. */
  readonly closed: AbortSignal
}

/** What a look from outside found: nothing is counted, so the facts are that it answered, and what was seen on the way. */
export interface Found {
  readonly outcome: PollOutcome
  readonly status: number | null
  readonly reason: string
  readonly certificate?: Shown | null
  readonly raw?: Readonly<Record<string, unknown>>
  readonly saidAt?: number
}

/** One look within its deadline. Resolves with a reading for every failure; never rejects. */
export const check = async (
  options: CheckOptions,
  look: (timings: Timings, signal: AbortSignal) => Promise<Found>,
): Promise<Reading> => {
  const at = Date.now()
  const began = performance.now()
  const timings: Timings = {}
  const done = new AbortController()
  const found = await within(
    options.timeoutMs,
    (signal) => look(timings, AbortSignal.any([signal, done.signal])),
    { signal: options.closed },
  ).catch((error: unknown): Found => failed(error, timings, options))
  done.abort()
  const durationMs = Math.round((performance.now() - began) * 1_000) / 1_000
  const { outcome, status, reason, certificate = null, raw = {}, saidAt } = found
  const read = { at, durationMs, outcome, status, reason, ...(saidAt === undefined ? {} : { saidAt }) }
  if (outcome !== 'ok') return read
  const tables = [
    timingsTable(timings, durationMs),
    ...(certificate ? [certificateTable(certificate, at)] : []),
  ]
  return {
    ...read,
    facts: factsOf(tables, certificate),
    raw: { ...raw, ms: { ...timings, total: durationMs }, ...(certificate ? { certificate } : {}) },
  }
}

const failed = (error: unknown, timings: Timings, { timeoutMs, steps, party }: CheckOptions): Found => {
  if (error instanceof DeadlineError)
    return {
      outcome: 'timeout',
      status: null,
      reason: `not done within ${timeoutMs} ms: still ${doingWords(timings, steps)}`,
    }
  return { ...failureOf(error, party), status: null }
}

const factsOf = (tables: NodeTable[], certificate: Shown | null): Facts => ({
  ok: true,
  problems: [],
  version: null,
  // Nothing is counted, so no count could start again.
  epoch: 'seen-from-outside',
  uptimeMs: null,
  newestSeq: null,
  gauges: {},
  counters: {},
  listeners: [],
  lastDeliveryAt: null,
  tables,
  ...(certificate === null
    ? {}
    : { certificates: [{ name: certificate.names[0] ?? '', notAfter: certificate.notAfter }] }),
  drain: null,
})

const STEPS: readonly (readonly [keyof Timings, string])[] = [
  ['dns', 'Name'],
  ['connect', 'Connection'],
  ['tls', 'TLS handshake'],
  ['firstByte', 'First byte of the answer'],
]

const timingsTable = (timings: Timings, totalMs: number): NodeTable => {
  const rows = STEPS.flatMap(([key, step]) => {
    const ms = timings[key]
    return ms === undefined ? [] : [{ step, ms }]
  })
  return {
    id: 'timings',
    title: 'Where the time went',
    columns: [
      { key: 'step', label: 'Step', cell: 'text' },
      { key: 'ms', label: 'Took', cell: 'duration' },
    ],
    rows: [...rows, { step: 'All of it', ms: totalMs }],
    total: rows.length + 1,
  }
}
