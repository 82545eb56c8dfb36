import type { NodeTable } from '../../../contract/answers/node-table.ts'
import type { Adapter, Proof, Target } from '../adapter.ts'
import { authHeaders, type BasicAuth, explained } from '../basic-auth.ts'
import type { Counters } from '../facts.ts'
import { HttpProbe, type HttpProbeOptions } from '../http-probe.ts'
import { OwnPolls } from '../own-polls.ts'
import type { Reading } from '../reading.ts'
import { ownPath } from '../request-path.ts'
import { Runs } from '../runs.ts'
import { withStatusHint } from '../status-hint.ts'
import { readStubStatus, type StubStatus } from './stub-status.ts'

/** An nginx that shows its `stub_status`. */
export interface NginxTarget extends Target {
  readonly kind: 'nginx'
  /** The whole address of the page, with path and query. */
  readonly url: string
  readonly auth?: BasicAuth | undefined
}

/** Our own polls of one nginx. */
interface Polls {
  /** The run that has counted them; null before the first answer. */
  epoch: string | null
  readonly accepts: OwnPolls
  readonly requests: OwnPolls
}

/**
 * The connection by which we ask, and the request on it, are open while it answers, and counted. Each poll has a connection of its own, so
 * that it is one, whatever nginx keeps alive.
 */
const OURS = 1

/**
 * nginx by its `stub_status`: seven numbers of the whole process, kept in memory that its workers share, so that a reload goes on counting
 * and a restart begins anew.
 */
export class NginxAdapter implements Adapter<NginxTarget> {
  readonly kind = 'nginx'
  readonly #probe: HttpProbe
  readonly #runs = new Runs()
  /** Our own polls, by what nginx counts of them. */
  readonly #polls = new Map<string, Polls>()

  constructor(options: HttpProbeOptions) {
    this.#probe = new HttpProbe(options)
  }

  async probe(target: NginxTarget): Promise<Reading> {
    const polls = this.#pollsOf(target.id)
    let isSent = false
    const asked = await this.#probe.ask(target, ownPath(target.url), {
      accept: 'text/plain',
      headers: { ...authHeaders(target.auth), connection: 'close' },
      sent: () => {
        isSent = true
        polls.accepts.ask()
        polls.requests.ask()
      },
    })
    // A handshake that failed was a connection.
    if (!isSent && asked.outcome === 'tls') polls.accepts.ask()
    const { text, saidAt, ...answer } = withStatusHint(explained(asked, target.auth), HINTS)
    if (text === undefined) return answer
    const status = readStubStatus(text)
    if (typeof status === 'string') return { ...answer, outcome: 'bad_body', reason: status }
    const none = { accepts: 0, requests: 0 }
    const run = { at: answer.at, epoch: null, uptimeMs: null, counters: countersOf(status, none) }
    const epoch = this.#runs.epochOf(target.id, run)
    if (epoch !== polls.epoch) {
      polls.epoch = epoch
      polls.accepts.begin()
      polls.requests.begin()
    }
    const ours = { accepts: polls.accepts.of(status.accepts), requests: polls.requests.of(status.requests) }
    return {
      ...answer,
      facts: {
        // It answered: that is all that it says of itself.
        ok: true,
        problems: [],
        version: null,
        epoch,
        uptimeMs: null,
        isCountedHere: true,
        newestSeq: null,
        gauges: {
          connections: Math.max(0, status.active - OURS),
          requests_pending: Math.max(0, status.reading + status.writing - OURS),
        },
        counters: countersOf(status, ours),
        listeners: [],
        lastDeliveryAt: null,
        tables: [tableOf(status)],
        drain: null,
      },
      raw: status,
      ...(saidAt === undefined ? {} : { saidAt }),
    }
  }

  proves(_target: NginxTarget): Proof {
    return 'counted'
  }

  forget(id: string): void {
    this.#probe.forget(id)
    this.#runs.forget(id)
    this.#polls.delete(id)
  }

  close(): Promise<void> {
    return this.#probe.close()
  }

  #pollsOf(id: string): Polls {
    const known = this.#polls.get(id)
    if (known !== undefined) return known
    const polls = { epoch: null, accepts: new OwnPolls(), requests: new OwnPolls() }
    this.#polls.set(id, polls)
    return polls
  }
}

/** What it has counted, without our own polls. */
const countersOf = (
  { accepts, handled, requests }: StubStatus,
  ours: { accepts: number; requests: number },
): Counters => ({
  connections_accepted: { nginx: Math.max(0, accepts - ours.accepts) },
  connections_refused: { nginx: Math.max(0, accepts - handled) },
  requests: { nginx: Math.max(0, requests - ours.requests) },
})

const tableOf = ({ reading, writing, waiting }: StubStatus): NodeTable => ({
  id: 'connections',
  title: 'Connections by what they do',
  columns: [
    { key: 'doing', label: 'Doing', cell: 'text' },
    { key: 'connections', label: 'Connections', cell: 'count' },
  ],
  rows: [
    { doing: 'reading a request', connections: reading },
    { doing: 'writing an answer', connections: Math.max(0, writing - OURS) },
    { doing: 'waiting for the next request', connections: waiting },
  ],
  total: 3,
})

/** What to change at nginx, where its answer says so. */
const HINTS = {
  403: 'nginx lets others ask here; allow the address of the collector',
  404: 'there is no location with stub_status at this address',
}
