import type { PrometheusMap, PrometheusPreset } from '../../../contract/prometheus-map.ts'
import type { Adapter, Proof, Target } from '../adapter.ts'
import { authHeaders, type BasicAuth, explained } from '../basic-auth.ts'
import { type HttpAnswer, HttpProbe, type HttpProbeOptions } from '../http-probe.ts'
import type { Reading } from '../reading.ts'
import { ownPath } from '../request-path.ts'
import { cleanText } from '../untrusted-json.ts'
import { namesOf, type PageFacts, PROCESS_START, readFacts } from './facts.ts'
import { type Page, PageReader } from './page-reader.ts'
import { wantedOf } from './presets/registry.ts'
import { SeriesRuns } from './series-runs.ts'
import { mappedTable, namesOfTables, presetTable } from './tables.ts'

/** Anything that Prometheus can scrape. */
export interface PrometheusTarget extends Target {
  readonly kind: 'prometheus'
  /** The whole address of the page, with path and query. */
  readonly url: string
  readonly preset?: PrometheusPreset | undefined
  readonly map?: PrometheusMap | undefined
  readonly auth?: BasicAuth | undefined
}

/** Bytes of a page on the wire. */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024

/** The text that is read best first; neither is needed by who speaks only one. */
export const PAGE_ACCEPT =
  'text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1'

/**
 * Programs that write a page for Prometheus. Its lines are compared as they come, only mapped series become text, and the page is never
 * held: how much one writes costs the collector little.
 */
export class PrometheusAdapter implements Adapter<PrometheusTarget> {
  readonly kind = 'prometheus'
  readonly #probe: HttpProbe
  readonly #runs = new SeriesRuns()
  /** Nodes for which all that was mapped was found last: of the others, the names on the page are kept to tell near ones from. */
  readonly #found = new Set<string>()

  constructor(options: HttpProbeOptions) {
    this.#probe = new HttpProbe(options)
  }

  async probe(target: PrometheusTarget): Promise<Reading> {
    const { map, tables, sign } = wantedOf(target.preset, target.map)
    const wanted = [
      ...namesOf(map),
      ...namesOfTables(tables),
      ...(sign === undefined ? [] : [sign]),
      PROCESS_START,
    ]
    let reader = new PageReader([])
    let isSent = false
    const asked = await this.#probe.ask(target, ownPath(target.url), {
      accept: PAGE_ACCEPT,
      headers: authHeaders(target.auth),
      maxBytes: MAX_PAGE_BYTES,
      begin: () => {
        reader = new PageReader(wanted, !this.#found.has(target.id))
      },
      take: (chunk) => reader.take(chunk),
      sent: () => {
        isSent = true
      },
    })
    if (isSent) this.#runs.ask(target.id)
    const { text: _, saidAt, ...answer } = explained(asked, target.auth)
    if (answer.outcome !== 'ok') return answer
    const page = reader.end()
    const refusal = noPage(page)
    if (refusal !== null) return bad(answer, refusal)

    if (sign !== undefined && !page.series.has(sign))
      return bad(answer, `the answer is no page of ${target.preset}: it has no series ${sign}`)
    const facts = readFacts(page, map)
    const problems = [...facts.missing, ...badLinesOf(page)]
    if (facts.missing.length === 0) this.#found.add(target.id)
    else this.#found.delete(target.id)
    if (Object.keys(facts.shown).length === 0 && facts.missing.length > 0)
      return bad(answer, facts.missing.slice(0, 3).join('; '))
    if (map.region !== undefined && facts.region !== target.region) {
      const said = facts.region === undefined ? 'no region' : `region ${facts.region}`
      return {
        ...answer,
        outcome: 'wrong_region',
        reason: `answers for ${said}, configured is ${target.region}`,
      }
    }
    const { epoch, counters } = this.#runs.take(target.id, evidenceOf(answer, saidAt, page, facts))
    const drawn = tables.flatMap((table) => presetTable(page, table) ?? [])
    return {
      ...answer,
      facts: {
        // It answered 200: where nothing else is mapped, that is its word.
        ok: facts.ok ?? true,
        problems: [],
        version: facts.version ?? null,
        epoch,
        uptimeMs: uptimeOf(answer, saidAt, facts),
        isCountedHere: true,
        newestSeq: null,
        gauges: facts.gauges,
        counters,
        listeners: [],
        lastDeliveryAt: null,
        tables: [...drawn, mappedTable(facts.rows)],
        drain: null,
      },
      raw: facts.shown,
      ...(saidAt === undefined ? {} : { saidAt }),
      ...(problems.length === 0 ? {} : { partial: problems }),
    }
  }

  proves(target: PrometheusTarget): Proof {
    return wantedOf(target.preset, target.map).map.connections === undefined ? 'none' : 'counted'
  }

  forget(id: string): void {
    this.#probe.forget(id)
    this.#runs.forget(id)
    this.#found.delete(id)
  }

  close(): Promise<void> {
    return this.#probe.close()
  }
}

type Answer = Omit<HttpAnswer, 'text' | 'saidAt'>

const bad = (answer: Answer, reason: string): Reading => ({
  ...answer,
  outcome: 'bad_body',
  reason: reason.length > 500 ? `${reason.slice(0, 499)}…` : reason,
})

const evidenceOf = (answer: Answer, saidAt: number | undefined, page: Page, facts: PageFacts) => ({
  at: answer.at,
  saidS: (saidAt ?? answer.at) / 1_000,
  epoch: facts.epoch ?? null,
  uptimeMs: facts.uptimeMs ?? null,
  startedS: facts.startedS ?? null,
  writerStartedS: page.series.get(PROCESS_START)?.[0]?.value ?? null,
  counters: facts.counters,
  owned: facts.owned,
})

/** By the node's own clock where it says its time; ours may be another. */
export const uptimeOf = (
  answer: { at: number },
  saidAt: number | undefined,
  facts: PageFacts,
): number | null => {
  if (facts.uptimeMs !== undefined) return facts.uptimeMs
  if (facts.startedS === undefined) return null
  return Math.max(0, Math.round((saidAt ?? answer.at) - facts.startedS * 1_000))
}

/** Why this is no page for Prometheus, by what it looks like; null where it is one. */
const noPage = (page: Page): string | null => {
  const { head, samples, badLines, told } = page
  if (samples > 0 && samples >= badLines) return null
  const begin = head.toString('utf8').trimStart()
  const quoted = JSON.stringify(cleanText(begin.slice(0, 40)))
  const no = 'the answer is no page for Prometheus'
  if (head.length === 0) return `${no}: it is empty`
  if (head[0] === 0x1f && head[1] === 0x8b) return `${no}: it is gzip, which was not asked for`
  if (/^<(?:!doctype|html|head|body|\?xml)/i.test(begin))
    return `${no}: it is HTML or XML; it begins with ${quoted}`
  if (/^[[{]/.test(begin)) return `${no}: it is JSON; it begins with ${quoted}`
  if (samples === 0 && badLines === 0) return `${no}: it has comments, and no series`
  const [first] = told
  return samples === 0
    ? `${no}; it begins with ${quoted}`
    : `${no}: ${badLines} of ${badLines + samples} lines are no series; line ${first?.line} ${first?.why}`
}

const badLinesOf = ({ told, badLines }: Page): string[] =>
  badLines === 0
    ? []
    : [
        `${told.map(({ line, why }) => `line ${line} ${why}`).join('; ')}${badLines > told.length ? `; and ${badLines - told.length} more` : ''}`,
      ]
