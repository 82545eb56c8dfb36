import type { JsonMap } from '../../../contract/json-map.ts'
import type { Adapter, Proof, Target } from '../adapter.ts'
import { HttpProbe, type HttpProbeOptions } from '../http-probe.ts'
import type { Reading } from '../reading.ts'
import { Runs } from '../runs.ts'
import { readJson } from '../untrusted-json.ts'
import { readFacts } from './facts.ts'

/** Anything that answers a GET with JSON. */
export interface JsonTarget extends Target {
  readonly kind: 'json'
  /** The whole address that is asked, with path and query. */
  readonly url: string
  /** Where in the answer each name stands. */
  readonly map: JsonMap
}

/**
 * Programs that say how they are as JSON, whatever its shape: the configuration maps their values to names by JSON Pointers. They are
 * polled and drawn; they have no events, and nobody can drain them.
 */
export class JsonAdapter implements Adapter<JsonTarget> {
  readonly kind = 'json'
  readonly #probe: HttpProbe
  readonly #runs = new Runs()

  constructor(options: HttpProbeOptions) {
    this.#probe = new HttpProbe(options)
  }

  async probe(target: JsonTarget): Promise<Reading> {
    const { text, saidAt, ...answer } = await this.#probe.ask(target, pathOf(target.url))
    if (text === undefined) return answer
    const read = readJson(text)
    if (!read.ok) return { ...answer, outcome: 'bad_body', reason: read.reason }
    const { ok, region, version, epoch, uptimeMs, gauges, counters, missing } = readFacts(
      read.value,
      target.map,
    )
    if (target.map.region !== undefined && region !== target.region) {
      const said = region === undefined ? `no region at ${target.map.region}` : `region ${region}`
      return {
        ...answer,
        outcome: 'wrong_region',
        reason: `answers for ${said}, configured is ${target.region}`,
      }
    }
    const run = { at: answer.at, epoch: epoch ?? null, uptimeMs: uptimeMs ?? null, counters }
    return {
      ...answer,
      facts: {
        // It answered 200: where nothing else is mapped, that is its word.
        ok: ok ?? true,
        problems: [],
        version: version ?? null,
        epoch: this.#runs.epochOf(target.id, run),
        uptimeMs: uptimeMs ?? null,
        newestSeq: null,
        gauges,
        counters,
        listeners: [],
        lastDeliveryAt: null,
        drain: null,
      },
      raw: read.value,
      ...(saidAt === undefined ? {} : { saidAt }),
      ...(missing.length === 0 ? {} : { partial: missing }),
    }
  }

  proves(target: JsonTarget): Proof {
    return target.map.connections === undefined ? 'none' : 'counted'
  }

  forget(id: string): void {
    this.#probe.forget(id)
    this.#runs.forget(id)
  }

  close(): Promise<void> {
    return this.#probe.close()
  }
}

const pathOf = (url: string): string => {
  if (!URL.canParse(url)) return '/'
  const { pathname, search } = new URL(url)
  return `${pathname}${search}`
}
