import type { JsonMap, JsonPreset } from '../../../contract/json-map.ts'
import type { Adapter, Proof, Target } from '../adapter.ts'
import { authHeaders, type BasicAuth, explained } from '../basic-auth.ts'
import type { Counters, Facts } from '../facts.ts'
import { type AskOptions, HttpProbe, type HttpProbeOptions } from '../http-probe.ts'
import type { Reading } from '../reading.ts'
import { ownPath } from '../request-path.ts'
import { Runs } from '../runs.ts'
import { readJson } from '../untrusted-json.ts'
import { readFacts } from './facts.ts'
import { Intake } from './intake.ts'
import { PUSH_GATEWAY_MAP, type PushGatewayFacts, readPushGateway } from './push-gateway.ts'

/** Anything that answers a GET with JSON. */
export interface JsonTarget extends Target {
  readonly kind: 'json'
  /** The whole address that is asked, with path and query. */
  readonly url: string
  /** The program, where its answer is known. */
  readonly preset?: JsonPreset | undefined
  /** Where in the answer each name is; beside a preset more of them, or other places. */
  readonly map?: JsonMap | undefined
  readonly auth?: BasicAuth | undefined
}

/** What each preset maps. */
const PRESET_MAPS: Readonly<Record<JsonPreset, JsonMap>> = {
  'push-gateway': PUSH_GATEWAY_MAP,
  relay: { ok: '/ok', region: '/region' },
}

const mapOf = ({ preset, map }: JsonTarget): JsonMap => ({
  ...(preset === undefined ? {} : PRESET_MAPS[preset]),
  ...map,
})

/** What a target is asked for, and where in its answer what stands. */
interface Question {
  readonly path: string
  readonly options: AskOptions
  readonly map: JsonMap
}

/**
 * Programs that say how they are as JSON, whatever its shape: the configuration maps their values to names by JSON Pointers. They are
 * polled and drawn; they have no events, and no drain of their own.
 */
export class JsonAdapter implements Adapter<JsonTarget> {
  readonly kind = 'json'
  readonly #probe: HttpProbe
  readonly #runs = new Runs()
  readonly #intake = new Intake()
  /** A target is never changed, only taken the place of: its question is put together once. */
  readonly #questions = new WeakMap<JsonTarget, Question>()

  constructor(options: HttpProbeOptions) {
    this.#probe = new HttpProbe(options)
  }

  async probe(target: JsonTarget): Promise<Reading> {
    const { path, options, map } = this.#questionOf(target)
    const asked = await this.#probe.ask(target, path, options)
    const { text, saidAt } = asked
    if (text === undefined) return explained(asked, target.auth)
    const { at, durationMs, outcome, status, reason } = asked
    // Put together field by field, here and below: a spread costs more than what it copies.
    const answer: Reading = { at, durationMs, outcome, status, reason }
    const read = readJson(text)
    if (!read.ok) return { ...answer, outcome: 'bad_body', reason: read.reason }
    const {
      ok,
      region,
      version,
      epoch,
      uptimeMs,
      gauges,
      missing,
      counters: mapped,
    } = readFacts(read.value, map)
    if (map.region !== undefined && region !== target.region) {
      const said = region === undefined ? `no region at ${map.region}` : `region ${region}`
      return {
        ...answer,
        outcome: 'wrong_region',
        reason: `answers for ${said}, configured is ${target.region}`,
      }
    }
    const gateway = target.preset === 'push-gateway' ? readPushGateway(read.value, target.map ?? {}) : null
    const counters: Counters = gateway === null ? mapped : { ...gateway.counters, ...mapped }
    const partial = gateway === null ? missing : [...missing, ...gateway.missing]
    const run = this.#runs.epochOf(target.id, {
      at: answer.at,
      epoch: epoch ?? null,
      uptimeMs: uptimeMs ?? null,
      counters,
    })
    const facts: Facts = {
      // It answered 200: where nothing else is mapped, that is its word.
      ok: ok ?? true,
      problems: [],
      version: version ?? null,
      epoch: run,
      uptimeMs: uptimeMs ?? null,
      newestSeq: null,
      gauges,
      counters: gateway === null ? counters : this.#withIntake(target.id, run, counters, gateway),
      listeners: [],
      lastDeliveryAt: gateway?.lastDeliveryAt ?? null,
      drain: null,
    }
    answer.facts = gateway === null ? facts : { ...facts, tables: gateway.tables }
    answer.raw = read.value
    if (saidAt !== undefined) answer.saidAt = saidAt
    if (partial.length > 0) answer.partial = partial
    return answer
  }

  proves(target: JsonTarget): Proof {
    return mapOf(target).connections === undefined ? 'none' : 'counted'
  }

  forget(id: string): void {
    this.#probe.forget(id)
    this.#runs.forget(id)
    this.#intake.forget(id)
  }

  close(): Promise<void> {
    return this.#probe.close()
  }

  #questionOf(target: JsonTarget): Question {
    const known = this.#questions.get(target)
    if (known !== undefined) return known
    const options = { headers: authHeaders(target.auth) }
    const question = { path: ownPath(target.url), options, map: mapOf(target) }
    this.#questions.set(target, question)
    return question
  }

  /** With what came in, of a gateway that says only when it last did. */
  #withIntake(id: string, run: string, counters: Counters, { lastIntakeAt }: PushGatewayFacts): Counters {
    if (lastIntakeAt === null || counters.push_received !== undefined) return counters
    return { ...counters, pushes_seen: { answer: this.#intake.countOf(id, run, lastIntakeAt) } }
  }
}
