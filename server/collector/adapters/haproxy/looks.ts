import { listWords } from '../../../contract/words.ts'
import type { Facts } from '../facts.ts'
import { Orders } from '../orders.ts'
import type { Reading } from '../reading.ts'
import { type HaproxyAnswer, questionFor, readAnswer } from './answer.ts'
import { type NodeFacts, processFacts, serverFacts, takersBeside } from './facts.ts'
import { Frontends } from './frontends.ts'
import { Lives } from './lives.ts'
import { Processes } from './processes.ts'
import type { Level, RuntimeAnswer, RuntimeApi } from './runtime-api.ts'
import { tablesOf } from './tables.ts'
import type { HaproxyTarget } from './target.ts'

/** Names under which HAProxy's own examples keep their statistics. */
const KEPT_FRONTENDS = ['stats']

/** What one look brought. `answer` is there where HAProxy answered in full; `down`: it says of the server that it cannot serve. */
export interface Look {
  readonly heard: RuntimeAnswer
  /** Why what was answered is of no use, in a sentence; null where it is. */
  readonly fault: string | null
  readonly answer?: HaproxyAnswer
  readonly facts?: Facts
  readonly down?: string
}

/** Looks at nodes, and what is remembered of them from one look to the next. */
export class Looks {
  readonly frontends = new Frontends()
  readonly orders = new Orders()
  readonly processes = new Processes()
  readonly #lives = new Lives()
  readonly #levels = new Map<string, Level>()
  readonly #others = new Map<string, readonly string[]>()
  readonly #api: RuntimeApi

  constructor(api: RuntimeApi) {
    this.#api = api
  }

  /** How much the socket of a node allows; null before it has said so. */
  levelOf(id: string): Level | null {
    return this.#levels.get(id) ?? null
  }

  /** Servers beside this one that take new sessions; null before it has been seen. */
  othersBeside(id: string): readonly string[] | null {
    return this.#others.get(id) ?? null
  }

  /** Asks once; never rejects. */
  async at(target: HaproxyTarget, timeoutMs: number): Promise<Look> {
    const { id, backend } = target
    const { heard, answer } = await this.#ask(target, timeoutMs)
    if (heard.level !== undefined) this.#levels.set(id, heard.level)
    if ('fault' in answer) return { heard, fault: answer.fault }
    this.processes.see(target, heard.at, answer.info)
    if (backend === undefined) {
      const facts = this.#factsOfProcess(target, heard.at, answer)
      return { heard, fault: null, answer, facts }
    }
    const read = serverFacts(answer, backend, target.server ?? '')
    if ('fault' in read) return { heard, fault: read.fault, answer }
    this.#others.set(id, takersBeside(answer, backend, target.server ?? ''))
    const facts = this.#whole(target, heard.at, answer, read.facts)
    return { heard, fault: null, answer, facts, ...('down' in read ? { down: read.down } : {}) }
  }

  forget(id: string): void {
    this.#lives.forget(id)
    this.#levels.delete(id)
    this.#others.delete(id)
    this.orders.forget(id)
    this.processes.forget(id)
    this.frontends.forget(id)
  }

  async #ask(
    target: HaproxyTarget,
    timeoutMs: number,
  ): Promise<{ heard: RuntimeAnswer; answer: HaproxyAnswer | { fault: string } }> {
    const { backend } = target
    const first = await this.#api.ask(target, questionFor(target), timeoutMs)
    const read = (heard: RuntimeAnswer): HaproxyAnswer | { fault: string } =>
      heard.text === undefined ? { fault: heard.reason } : readAnswer(heard.text, backend)
    const answer = read(first)
    // A frontend has the same name.
    const isHidden = backend !== undefined && !('fault' in answer) && answer.rows.length === 0
    if (!isHidden || answer.backendId === null) return { heard: first, answer }
    const remainingMs = Math.max(1, Math.round(timeoutMs - first.durationMs))
    const next = await this.#api.ask(target, questionFor(target, answer.backendId), remainingMs)
    const heard = { ...next, at: first.at, durationMs: first.durationMs + next.durationMs }
    return { heard, answer: read(heard) }
  }

  /** Two entries for one thing: draining one takes the other out, and resuming one brings both back. */
  #twinProblems(target: HaproxyTarget): string[] {
    const twins = this.processes.twinsOf(target.id)
    if (twins.length === 0) return []
    const what =
      target.backend === undefined ? 'HAProxy process' : `server ${target.backend}/${target.server}`
    return [
      `${target.id} and ${listWords(twins, MAX_TWINS)} are one ${what}, asked at ${twins.length + 1} places: a drain of one takes out all of them; keep one entry`,
    ]
  }

  #factsOfProcess(target: HaproxyTarget, at: number, answer: HaproxyAnswer): Facts {
    const keep = keptBy(target)
    const first = this.#whole(target, at, answer, processFacts(answer, keep, new Set()))
    const unbound = this.frontends.unbound(target.id, first.epoch)
    return unbound.size === 0 ? first : this.#whole(target, at, answer, processFacts(answer, keep, unbound))
  }

  #whole(target: HaproxyTarget, at: number, answer: HaproxyAnswer, node: NodeFacts): Facts {
    const { id } = target
    const { epoch, problems } = this.#lives.see(id, at, answer.info, node)
    const isOut = node.state !== 'serving'
    const crossed = this.orders.see(id, { epoch, at, isOut, title: titleOf(target) })
    return {
      ...node,
      problems: [
        ...node.problems,
        ...problems,
        ...(crossed === null ? [] : [crossed]),
        ...this.#twinProblems(target),
      ],
      version: answer.info.version,
      epoch,
      uptimeMs: answer.info.uptimeMs,
      newestSeq: null,
      listeners: [],
      lastDeliveryAt: null,
      tables: tablesOf(answer),
      drain: null,
      ...(target.server === undefined ? {} : { isBehindProxy: true }),
    }
  }
}

const MAX_TWINS = 3

/** Frontends of the process that a drain leaves open. */
export const keptBy = ({ keep }: HaproxyTarget): readonly string[] => keep ?? KEPT_FRONTENDS

/** `web/web-1`, or `the process`. */
const titleOf = ({ backend, server }: HaproxyTarget): string =>
  backend === undefined ? 'the process' : `server ${backend}/${server}`

/** As a poll ends: HAProxy speaks for a server, so one that it cannot reach has not answered. */
export const readingOf = ({ heard, fault, answer, facts, down }: Look): Reading => {
  const { text: _, isHeard: __, level: ___, ...reading } = heard
  if (fault !== null || answer === undefined || facts === undefined)
    return {
      ...reading,
      outcome: reading.outcome === 'ok' ? 'bad_body' : reading.outcome,
      reason: fault ?? '',
    }
  if (down !== undefined && facts.state === 'serving')
    return { ...reading, outcome: 'bad_status', reason: down }
  return { ...reading, facts, raw: answer.info.lines }
}
