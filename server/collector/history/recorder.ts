import type { Intent, ObservedState } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import type { HistoryDocument, HistoryEnd, HistoryState, Store } from '../../store/store.ts'
import { Turn } from '../../time/turn.ts'

/** The least time between two documents of one node, in ms: one that changes with every poll must not fill the disk. */
const DOCUMENT_EVERY_MS = 60_000
/** A document of which nothing but numbers changed is written down again after so long, in ms. */
const DOCUMENT_AGAIN_MS = 3_600_000
/** Judgements that wait while the store cannot be written; then the oldest go, and are counted. */
const MAX_WAITING = 10_000
/** Characters of documents that wait; beyond them a node's older document gives way to its newer one, or is left out. */
const MAX_WAITING_DOCUMENTS = 16 * 1024 * 1024

/** What is to be written down of one node, region, or the room. */
export interface Judged {
  state: ObservedState
  intent: Intent
  problems: readonly string[]
}

export interface RecorderSources {
  /** Null for a node that left the configuration. */
  node(id: string): Judged | null
  /** The newest good document of a node, and when it was read (epoch ms). */
  document(id: string): { at: number; data: unknown } | null
  regions(): readonly ({ id: string } & Judged)[]
  /** Problems of the control room itself. */
  room(): readonly string[]
}

export interface RecorderFigures {
  /** Judgements and documents that are not stored yet. */
  waiting: number
  /** Given up since the start, because too much waited. */
  dropped: number
}

/** A number that is no part of a name such as `fra-1`. */
const MEASURE = /(?<![\p{L}\p{N}_-])\d+(?:[.,]\d+)*/gu

/** Of two judgements of a node or of the room that differ in nothing but numbers ("slow: 812 ms") the first tells it. */
const keyOf = (scope: string, { state, intent, problems }: Judged): string => {
  const text = problems.join('\n')
  // A region's words count its nodes, and change as rarely as these.
  return `${state} ${intent} ${scope.startsWith('region:') ? text : text.replace(MEASURE, '#')}`
}

/** Keys under which digits are a name: another one is news, whatever it looks like. */
const NAMED_BY_DIGITS = /version|release|build|revision|epoch/i
/** `1.2.3`, an address, or so many digits. */
const DIGITS = /\d+(?:\.\d+){2,}[\w.+-]*|\d+/g

/** The same document in other numbers and times; what names a version stays as it is. */
const shapeOf = (data: unknown): string =>
  JSON.stringify(data, (key, value: unknown) => {
    if (typeof value !== 'string') return typeof value === 'number' ? 0 : value
    if (NAMED_BY_DIGITS.test(key)) return value
    return value.replace(DIGITS, (digits) => (digits.includes('.') ? digits : '0'))
  })

/**
 * Writes down what was judged whenever it changed, and documents when more than their numbers did, so that any moment can be
 * looked up later. What waits while the store is away is bounded; what is given up is counted.
 */
export class Recorder {
  readonly #store: Pick<Store, 'writeHistory'>
  readonly #sources: RecorderSources
  readonly #log: Log
  readonly #now: () => number
  readonly #touched = new Set<string>()
  readonly #written = new Map<string, string>()
  readonly #documents = new Map<string, { at: number; shape: string }>()
  /** One write at a time: what is being written must not be written twice. */
  readonly #turn = new Turn()
  #states: (HistoryState | HistoryEnd)[] = []
  readonly #waitingDocuments = new Map<string, { document: HistoryDocument; length: number }>()
  #waitingLength = 0
  #dropped = 0

  constructor(options: {
    store: Pick<Store, 'writeHistory'>
    sources: RecorderSources
    log: Log
    /** Wall clock in epoch ms. */
    now: () => number
  }) {
    this.#store = options.store
    this.#sources = options.sources
    this.#log = options.log
    this.#now = options.now
  }

  get figures(): RecorderFigures {
    return { waiting: this.#states.length + this.#waitingDocuments.size, dropped: this.#dropped }
  }

  /** A node was polled, or something else about it changed; it is looked at by the next `write`. */
  touch(node: string): void {
    this.#touched.add(node)
  }

  /** A node left the configuration: that is the last that is written of it. Its history stays for as long as any other. */
  forget(node: string): void {
    this.#touched.delete(node)
    this.#documents.delete(node)
    this.#left(`node:${node}`, this.#now())
  }

  /** Of these scopes some may have left while nobody looked: that is written down now. */
  began(watchedBefore: readonly string[]): void {
    const isRegion = new Set(this.#sources.regions().map(({ id }) => `region:${id}`))
    for (const scope of watchedBefore) {
      const isThere = scope.startsWith('node:')
        ? this.#sources.node(scope.slice('node:'.length)) !== null
        : isRegion.has(scope)
      if (!isThere) this.#left(scope, this.#now())
    }
  }

  /** Writes what changed since the last call. Rejects where the store cannot be written; what waits is then tried again. */
  write(): Promise<void> {
    return this.#turn.run(() => this.#writeNow())
  }

  async #writeNow(): Promise<void> {
    this.#look()
    if (this.figures.waiting === 0) return
    const states = this.#states
    const documents = [...this.#waitingDocuments.values()].map(({ document }) => document)
    await this.#store.writeHistory(states, documents)
    // What was given up, or came, meanwhile is not what was written.
    this.#states = this.#states.filter((state) => !states.includes(state))
    for (const document of documents) {
      const waiting = this.#waitingDocuments.get(document.node)
      if (waiting?.document !== document) continue
      this.#waitingLength -= waiting.length
      this.#waitingDocuments.delete(document.node)
    }
  }

  #look(): void {
    const at = this.#now()
    for (const id of this.#touched) {
      const judged = this.#sources.node(id)
      if (judged !== null) this.#judged(`node:${id}`, judged, at)
      const document = this.#sources.document(id)
      if (document !== null) this.#answered(id, document)
    }
    if (this.#touched.size > 0) {
      const regions = this.#sources.regions()
      for (const { id, ...judged } of regions) this.#judged(`region:${id}`, judged, at)
      const there = new Set(regions.map(({ id }) => `region:${id}`))
      for (const scope of this.#written.keys())
        if (scope.startsWith('region:') && !there.has(scope)) this.#left(scope, at)
    }
    this.#touched.clear()
    const problems = this.#sources.room()
    this.#judged('room', { state: problems.length > 0 ? 'degraded' : 'up', intent: 'serving', problems }, at)
  }

  #judged(scope: string, { state, intent, problems }: Judged, at: number): void {
    const key = keyOf(scope, { state, intent, problems })
    if (this.#written.get(scope) === key) return
    this.#written.set(scope, key)
    this.#wait({ scope, at, state, intent, problems })
  }

  #left(scope: string, at: number): void {
    this.#written.delete(scope)
    this.#wait({ scope, at, state: 'left', intent: 'serving', problems: [] })
  }

  #wait(state: HistoryState | HistoryEnd): void {
    this.#states.push(state)
    const over = this.#states.length - MAX_WAITING
    if (over > 0) this.#drop(this.#states.splice(0, over).length)
  }

  #answered(node: string, { at, data }: { at: number; data: unknown }): void {
    const last = this.#documents.get(node)
    // The clock may have been set back: an older time than the last says nothing.
    const age = last === undefined ? Number.POSITIVE_INFINITY : Math.abs(at - last.at)
    if (age < DOCUMENT_EVERY_MS) return
    const text = JSON.stringify(data)
    const shape = shapeOf(data)
    if (last?.shape === shape && age < DOCUMENT_AGAIN_MS) return
    this.#documents.set(node, { at, shape })
    const waiting = this.#waitingDocuments.get(node)
    if (waiting !== undefined) {
      this.#waitingLength -= waiting.length
      this.#waitingDocuments.delete(node)
      this.#drop(1)
    }
    if (this.#waitingLength + text.length > MAX_WAITING_DOCUMENTS) {
      this.#drop(1)
      return
    }
    this.#waitingLength += text.length
    this.#waitingDocuments.set(node, { document: { node, at, data }, length: text.length })
  }

  #drop(count: number): void {
    if (this.#dropped === 0)
      this.#log.warn(
        { limit: MAX_WAITING },
        'too much history waits for the store; the oldest is given up, and there will be a hole in it',
      )
    this.#dropped += count
  }
}
