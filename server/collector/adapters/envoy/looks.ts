import { plural } from '../../../contract/words.ts'
import { authHeaders, explained } from '../basic-auth.ts'
import type { Facts } from '../facts.ts'
import type { HttpAnswer, HttpProbe } from '../http-probe.ts'
import { Orders } from '../orders.ts'
import { pathBelow } from '../request-path.ts'
import { Runs } from '../runs.ts'
import { type Clusters, clusterProblems, readClusters } from './clusters.ts'
import { readServerInfo, type ServerInfo } from './server-info.ts'
import { type EnvoyStatistics, readStatistics, STATISTICS_PATH } from './statistics.ts'
import { tablesOf } from './tables.ts'
import type { EnvoyTarget } from './target.ts'

/** The extensions of a mesh alone are tens of kilobytes. */
const MAX_INFO_BYTES = 1024 * 1024
const MAX_STATISTICS_BYTES = 4 * 1024 * 1024
const MAX_CLUSTERS_BYTES = 4 * 1024 * 1024
/** Clusters are for the page, and long: they are asked for less often than what is judged and drained by. */
const CLUSTERS_MS = 15_000

/** What one look brought: `facts` where all that is needed was answered, else why not. */
export interface Look {
  /** The answer that decided. */
  readonly heard: HttpAnswer
  /** Why what was answered is of no use; null where it is. */
  readonly fault: string | null
  readonly facts?: Facts
  readonly raw?: unknown
}

interface Kept {
  at: number
  clusters: Clusters
  problems: readonly string[]
}

const NO_CLUSTERS: Clusters = { clusters: [], hosts: [] }

/** Looks at Envoys, and what is remembered of them from one look to the next. */
export class Looks {
  readonly orders = new Orders()
  readonly #runs = new Runs()
  readonly #restarts = new Map<string, number | null>()
  readonly #clusters = new Map<string, Kept>()
  /** Runs that were told to let go of their listeners, which cannot be undone. */
  readonly #exiting = new Map<string, string>()

  /** Asks over `probe` for all that is needed, within `timeoutMs`; never rejects. */
  async at(target: EnvoyTarget, probe: HttpProbe, timeoutMs: number): Promise<Look> {
    const began = performance.now()
    const headers = authHeaders(target.auth)
    const ask = async (path: string, maxBytes: number): Promise<HttpAnswer> => {
      const remainingMs = Math.max(1, timeoutMs - (performance.now() - began))
      const place = { ...target, timeoutMs: remainingMs }
      return explained(
        await probe.ask(place, pathBelow(target.url, path), { maxBytes, headers }),
        target.auth,
      )
    }
    const first = await ask('/server_info', MAX_INFO_BYTES)
    if (first.text === undefined) return { heard: first, fault: first.reason }
    const info = readServerInfo(first.text)
    if ('fault' in info) return { heard: first, fault: info.fault }
    const answer = await ask(STATISTICS_PATH, MAX_STATISTICS_BYTES)
    const heard = { ...answer, at: first.at, durationMs: first.durationMs + answer.durationMs }
    if (answer.text === undefined) return { heard, fault: `/stats: ${answer.reason}` }
    const statistics = readStatistics(answer.text, target.keep ?? [])
    if ('fault' in statistics) return { heard, fault: statistics.fault }
    const kept = await this.#clustersOf(target.id, () => ask('/clusters?format=json', MAX_CLUSTERS_BYTES))
    return {
      heard,
      fault: null,
      facts: this.#factsOf(target.id, first.at, info, statistics, kept),
      raw: info.shown,
    }
  }

  /** Its listeners are being closed for good. */
  exits(id: string, epoch: string): void {
    this.#exiting.set(id, epoch)
  }

  /** True where this run has let go of its listeners, so that only a new process can serve. */
  isExiting(id: string, epoch: string): boolean {
    return this.#exiting.get(id) === epoch
  }

  forget(id: string): void {
    this.#runs.forget(id)
    this.#restarts.delete(id)
    this.#clusters.delete(id)
    this.#exiting.delete(id)
    this.orders.forget(id)
  }

  async #clustersOf(id: string, ask: () => Promise<HttpAnswer>): Promise<Kept> {
    const known = this.#clusters.get(id)
    const now = performance.now()
    if (known !== undefined && now - known.at < CLUSTERS_MS) return known
    const { outcome, reason, text } = await ask()
    const clusters = text === undefined ? null : readClusters(text)
    const why =
      text === undefined
        ? outcome === 'too_large'
          ? reason
          : `${outcome}: ${reason}`
        : 'it is something else'
    const kept: Kept =
      clusters === null
        ? { at: now, clusters: NO_CLUSTERS, problems: [`its clusters are not shown: ${why}`] }
        : { at: now, clusters, problems: [] }
    this.#clusters.set(id, kept)
    return kept
  }

  #factsOf(id: string, at: number, info: ServerInfo, statistics: EnvoyStatistics, kept: Kept): Facts {
    const { gauges, counters, listeners, parentConnections } = statistics
    const epoch = this.#epochOf(id, at, info, counters)
    const dead = clusterProblems(kept.clusters)
    const isOut = info.state === 'DRAINING'
    const crossed = this.orders.see(id, { epoch, at, isOut, title: 'it' })
    const isEmpty = gauges.connections === 0 && gauges.requests_pending === 0
    return {
      ok: dead.length === 0,
      problems: [
        ...dead,
        ...kept.problems,
        ...(parentConnections > 0
          ? [`the process before a hot restart still holds ${plural(parentConnections, 'connection')}`]
          : []),
        ...(crossed === null ? [] : [crossed]),
      ],
      state: isOut ? (isEmpty ? 'drained' : 'draining') : info.state === 'LIVE' ? 'serving' : 'starting',
      version: info.version,
      epoch,
      uptimeMs: info.uptimeMs,
      newestSeq: null,
      gauges,
      counters,
      listeners: [],
      lastDeliveryAt: null,
      tables: tablesOf(listeners, kept.clusters),
      drain: null,
    }
  }

  /** A hot restart is a new process whose counters start again, and says so by its number. */
  #epochOf(
    id: string,
    at: number,
    { restartEpoch, uptimeMs }: ServerInfo,
    counters: Facts['counters'],
  ): string {
    if (this.#restarts.get(id) !== restartEpoch) this.#runs.forget(id)
    this.#restarts.set(id, restartEpoch)
    return `${restartEpoch ?? 'run'}-${this.#runs.epochOf(id, { at, epoch: null, uptimeMs, counters })}`
  }
}
