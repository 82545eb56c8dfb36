import type { Adapter, Proof, Target } from '../adapter.ts'
import { authHeaders, type BasicAuth, explained } from '../basic-auth.ts'
import { type HttpAnswer, HttpProbe, type HttpProbeOptions } from '../http-probe.ts'
import { MAX_PAGE_BYTES, PAGE_ACCEPT, uptimeOf } from '../prometheus/adapter.ts'
import { namesOf, type PageFacts, readFacts } from '../prometheus/facts.ts'
import { type Page, PageReader } from '../prometheus/page-reader.ts'
import { CADDY } from '../prometheus/presets/caddy.ts'
import { SeriesRuns } from '../prometheus/series-runs.ts'
import { namesOfTables, presetTable } from '../prometheus/tables.ts'
import type { Reading } from '../reading.ts'
import { pathBelow } from '../request-path.ts'
import { withStatusHint } from '../status-hint.ts'
import { readJson } from '../untrusted-json.ts'
import { readUpstreams, requestsOf, type Upstream, upstreamTable } from './upstreams.ts'

/** A Caddy, by its admin endpoint. */
export interface CaddyTarget extends Target {
  readonly kind: 'caddy'
  readonly url: string
  readonly auth?: BasicAuth | undefined
}

/** Some seventy bytes an upstream. */
const MAX_UPSTREAMS_BYTES = 1024 * 1024

const HEALTHY = 'caddy_reverse_proxy_upstreams_healthy'

/**
 * Caddy by its admin endpoint: its upstreams, and its page for Prometheus. Its configuration is not asked for: it holds secrets, and names
 * no version. Caddy does not count connections, so that nothing proves that it is empty.
 */
export class CaddyAdapter implements Adapter<CaddyTarget> {
  readonly kind = 'caddy'
  readonly #probe: HttpProbe
  readonly #timeoutMs: number
  readonly #runs = new SeriesRuns()

  constructor(options: HttpProbeOptions) {
    this.#probe = new HttpProbe(options)
    this.#timeoutMs = options.timeoutMs
  }

  async probe(target: CaddyTarget): Promise<Reading> {
    const asked = await this.#probe.ask(target, pathBelow(target.url, '/reverse_proxy/upstreams'), {
      headers: authHeaders(target.auth),
      maxBytes: MAX_UPSTREAMS_BYTES,
    })
    const { text, saidAt, ...answer } = withHint(explained(asked, target.auth))
    if (text === undefined) return answer
    const read = readJson(text)
    const list = read.ok ? readUpstreams(read.value) : null
    if (list === null) {
      const why = read.ok ? 'the answer is no list of upstreams' : read.reason
      return { ...answer, outcome: 'bad_body', reason: `${why}; is this the admin endpoint of Caddy?` }
    }
    const { page, problem, tookMs } = await this.#metrics(target, answer.durationMs)
    const facts = page && readFacts(page, CADDY.map)
    const upstreams = page ? withHealth(list.upstreams, page) : list.upstreams
    const partial = [
      ...(list.unread === 0 ? [] : [`${list.unread} entries of /reverse_proxy/upstreams are no upstreams`]),
      ...(problem === null ? [] : [problem]),
      ...(facts?.missing ?? []),
    ]
    const run = this.#runs.take(target.id, {
      at: answer.at,
      saidS: (saidAt ?? answer.at) / 1_000,
      epoch: null,
      uptimeMs: null,
      startedS: facts?.startedS ?? null,
      writerStartedS: null,
      counters: facts?.counters ?? new Map(),
    })
    const pending = requestsOf(upstreams)
    const handlers = page ? CADDY.tables.filter(({ id }) => id === 'handlers') : []
    return {
      ...answer,
      durationMs: answer.durationMs + tookMs,
      facts: {
        ...judgedBy(upstreams),
        version: null,
        epoch: run.epoch,
        uptimeMs: facts ? uptimeOf(answer, saidAt, facts) : null,
        isCountedHere: true,
        newestSeq: null,
        gauges: { ...facts?.gauges, ...(pending === undefined ? {} : { requests_pending: pending }) },
        counters: run.counters,
        listeners: [],
        lastDeliveryAt: null,
        tables: [
          upstreamTable(upstreams),
          ...handlers.flatMap((table) => (page ? (presetTable(page, table) ?? []) : [])),
        ],
        drain: null,
      },
      raw: rawOf(upstreams, facts),
      ...(saidAt === undefined ? {} : { saidAt }),
      ...(partial.length === 0 ? {} : { partial }),
    }
  }

  proves(_target: CaddyTarget): Proof {
    return 'none'
  }

  forget(id: string): void {
    this.#probe.forget(id)
    this.#runs.forget(id)
  }

  close(): Promise<void> {
    return this.#probe.close()
  }

  /** The page for Prometheus, in what is left of the time; or why there is none. */
  async #metrics(
    target: CaddyTarget,
    spentMs: number,
  ): Promise<{ page: Page | null; problem: string | null; tookMs: number }> {
    const names = [...namesOf(CADDY.map), ...namesOfTables(CADDY.tables)]
    let reader = new PageReader([])
    const timeoutMs = Math.max(1, Math.round((target.timeoutMs ?? this.#timeoutMs) - spentMs))
    const asked = await this.#probe.ask({ ...target, timeoutMs }, pathBelow(target.url, '/metrics'), {
      accept: PAGE_ACCEPT,
      headers: authHeaders(target.auth),
      maxBytes: MAX_PAGE_BYTES,
      begin: () => {
        reader = new PageReader(names)
      },
      take: (chunk) => reader.take(chunk),
    })
    const tookMs = asked.durationMs
    if (asked.outcome !== 'ok') return { page: null, problem: `/metrics: ${asked.reason}`, tookMs }
    const page = reader.end()
    return page.samples > page.badLines
      ? { page, problem: null, tookMs }
      : { page: null, problem: '/metrics is no page for Prometheus', tookMs }
  }
}

/** Where the list does not say how an upstream is, the page does. */
const withHealth = (upstreams: readonly Upstream[], page: Page): Upstream[] => {
  const said = new Map(
    (page.series.get(HEALTHY) ?? []).map(({ labels, value }) => [labels.get('upstream'), value]),
  )
  return upstreams.map((upstream) => {
    const value = said.get(upstream.address)
    return upstream.healthy === null && value !== undefined ? { ...upstream, healthy: value >= 1 } : upstream
  })
}

/** It does its job while one upstream at least may be asked; those that may not are told. */
const judgedBy = (upstreams: readonly Upstream[]): { ok: boolean; problems: string[] } => {
  const sick = upstreams.filter(({ healthy }) => healthy === false)
  if (sick.length === 0) return { ok: true, problems: [] }
  const named = sick.slice(0, 3).map(({ address }) => address)
  const rest = sick.length > named.length ? ` and ${sick.length - named.length} more` : ''
  return {
    ok: sick.length < upstreams.length,
    problems: [
      sick.length === upstreams.length
        ? `none of its ${upstreams.length} upstreams is healthy`
        : `${sick.length} of ${upstreams.length} upstreams are unhealthy: ${named.join(', ')}${rest}`,
    ],
  }
}

const rawOf = (upstreams: readonly Upstream[], facts: PageFacts | null) => ({
  upstreams: upstreams.slice(0, 100),
  ...(facts === null ? {} : { metrics: facts.shown }),
})

/** What to change at Caddy, where its answer says so. */
const HINTS = {
  403: 'the admin endpoint does not take this address as its host; name it in admin { origins … } of Caddy',
  404: 'this is not the admin endpoint of Caddy, or it is older than 2.0',
}

/** What to change at Caddy, where its answer, or that there is none, says so. */
const withHint = <Answer extends HttpAnswer>(answer: Answer): Answer => {
  const hinted = withStatusHint(answer, HINTS)
  return hinted === answer && answer.outcome === 'refused' && answer.noRoute === undefined
    ? { ...answer, reason: `${answer.reason}; the admin endpoint of Caddy may be off, or listen elsewhere` }
    : hinted
}
