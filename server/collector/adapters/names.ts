import { type LookupAddress, type lookup as lookupType, Resolver } from 'node:dns'

export type Lookup = typeof lookupType
type Done = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void

/** Lookups by the system at once: libuv gives them half of its four threads, and what hangs there cannot be called back. */
const AT_ONCE = 2
/** A lookup that takes longer hangs: others do not wait behind it. */
const HANGS_MS = 1_000
/** How long somebody waits for a place before the servers of the system are asked without it. */
const PATIENCE_MS = 250
/** Names that hung are left alone for so long. */
const REST_MS = 10_000
/** What was found holds for as long as a poll may take to use it. */
const KEPT_MS = 1_000
const MAX_KEPT = 1_000
const MAX_WAITING = 10_000
/** Of one question to a name server, and how often it is asked. */
const ASK = { timeout: 1_000, tries: 2 }

interface Question {
  name: string
  askers: Done[]
  /** When the system began to look it up, monotonic ms; null while it waits. */
  begunAt: number | null
  timer: NodeJS.Timeout | undefined
}

export interface NamesFigures {
  /** Lookups by the system that have hung for longer than a second since the start. */
  hung: number
}

/**
 * Looks names up for all connections: each name once for all who ask at the same time, and only so many at once, so that one name server that
 * is silent does not keep the nodes of all others waiting. The system's own resolver is asked first, because it knows files and search
 * domains; where it hangs, its name servers are asked directly.
 */
export class Names {
  readonly #lookup: Lookup
  readonly #resolver: Resolver
  readonly #questions = new Map<string, Question>()
  readonly #waiting: Question[] = []
  /** Until when names that hung are not asked of the system, monotonic ms. */
  readonly #resting = new Map<string, number>()
  readonly #kept = new Map<string, { until: number; addresses: LookupAddress[] }>()
  #underWay = 0
  #hung = 0

  constructor(lookup: Lookup, resolver: Resolver = new Resolver(ASK)) {
    this.#lookup = lookup
    this.#resolver = resolver
  }

  get figures(): NamesFigures {
    return { hung: this.#hung }
  }

  /** All addresses of a name. Calls back once, with an error by the codes of `dns`; not before it returns. */
  find(name: string, done: Done): void {
    const kept = this.#kept.get(name)
    if (kept !== undefined && kept.until > performance.now()) {
      queueMicrotask(() => done(null, kept.addresses))
      return
    }
    const asked = this.#questions.get(name)
    if (asked !== undefined) {
      asked.askers.push(done)
      return
    }
    const question: Question = { name, askers: [done], begunAt: null, timer: undefined }
    this.#questions.set(name, question)
    const mayWait = this.#waiting.length < MAX_WAITING && (this.#resting.get(name) ?? 0) <= performance.now()
    if (!mayWait) this.#askServers(question)
    else if (this.#underWay < AT_ONCE) this.#askSystem(question)
    else {
      this.#waiting.push(question)
      question.timer = setTimeout(() => this.#askServers(question), PATIENCE_MS)
      question.timer.unref()
    }
  }

  #askSystem(question: Question): void {
    const { name } = question
    question.begunAt = performance.now()
    this.#underWay += 1
    let hangs = false
    clearTimeout(question.timer)
    question.timer = setTimeout(() => {
      hangs = true
      this.#hung += 1
      this.#rest(name)
      this.#askServers(question)
    }, HANGS_MS)
    question.timer.unref()
    this.#lookup(name, { all: true }, (error, addresses) => {
      this.#underWay -= 1
      if (hangs && error === null) this.#resting.delete(name)
      this.#settle(question, error, addresses)
      this.#next()
    })
  }

  #askServers(question: Question): void {
    const found: LookupAddress[] = []
    let left = 2
    let fault: NodeJS.ErrnoException | null = null
    const answered = (family: 4 | 6) => (error: NodeJS.ErrnoException | null, addresses: string[]) => {
      left -= 1
      if (error === null) found.push(...addresses.map((address) => ({ address, family })))
      else fault = error
      // A name of this machine's files or search domains is known to the system alone: it goes on, or has its turn yet.
      if (left > 0 || (found.length === 0 && this.#isWithSystem(question))) return
      found.sort((a, b) => a.family - b.family)
      this.#settle(question, found.length > 0 ? null : fault, found)
    }
    this.#resolver.resolve4(question.name, answered(4))
    this.#resolver.resolve6(question.name, answered(6))
  }

  #isWithSystem(question: Question): boolean {
    return question.begunAt !== null || this.#waiting.includes(question)
  }

  #settle(question: Question, error: NodeJS.ErrnoException | null, addresses: LookupAddress[]): void {
    clearTimeout(question.timer)
    const { name, askers } = question
    if (this.#questions.get(name) === question) this.#questions.delete(name)
    if (askers.length === 0) return
    const place = this.#waiting.indexOf(question)
    if (place >= 0) this.#waiting.splice(place, 1)
    if (error === null) this.#keep(name, addresses)
    for (const done of askers.splice(0)) done(error, addresses)
  }

  #next(): void {
    const question = this.#underWay < AT_ONCE ? this.#waiting.shift() : undefined
    if (question !== undefined) this.#askSystem(question)
  }

  #keep(name: string, addresses: LookupAddress[]): void {
    const now = performance.now()
    if (this.#kept.size >= MAX_KEPT)
      for (const [old, { until }] of this.#kept)
        if (until <= now || this.#kept.size >= MAX_KEPT) this.#kept.delete(old)
    this.#kept.set(name, { until: now + KEPT_MS, addresses })
  }

  #rest(name: string): void {
    if (this.#resting.size >= MAX_KEPT) this.#resting.clear()
    this.#resting.set(name, performance.now() + REST_MS)
  }
}
