import type { ProcessInfo } from './process-info.ts'
import type { HaproxyTarget } from './target.ts'

/** Two looks that overlap say nothing of which came first. */
const APART_MS = 2_000

/** What a look at one entry told of what is behind it. */
interface Seen {
  readonly process: string
  /** The process, and which part of it the entry is: one server, or the process itself. */
  readonly thing: string
  /** When it was asked, epoch ms. */
  readonly at: number
  /** Connections since the process began: they never get fewer. */
  readonly connections: number
}

/**
 * Tells which entries name one HAProxy process, by a socket and by an address for example: a drain of one is a drain of the other. What a
 * process says of itself may be said by two that were started alike on machines of one name; their counters tell those apart.
 */
export class Processes {
  readonly #seen = new Map<string, Seen>()
  /** Entries by what they are. */
  readonly #things = new Map<string, Set<string>>()
  /** Where each process is asked, and by how many entries: a plan asks for its name for each pair of servers, and a poll comes with each. */
  readonly #places = new Map<string, Places>()
  /** Pairs of entries that were seen to be two things. */
  readonly #apart = new Set<string>()

  /** Takes in a look. Where the process does not say when it began (before HAProxy 2.5) nothing is known. */
  see(target: HaproxyTarget, at: number, { pid, startedAt, lines }: ProcessInfo): void {
    const { id, backend, server } = target
    const connections = Number(lines.CumConns)
    if (pid === null || startedAt === null || !Number.isFinite(connections)) {
      this.forget(id)
      return
    }
    const process = `${lines.node ?? ''} ${pid} ${startedAt}`
    const thing = backend === undefined ? process : `${process} ${backend}/${server}`
    if (this.#seen.get(id)?.thing !== thing) this.forget(id)
    this.#seen.set(id, { process, thing, at, connections })
    const places = this.#places.get(process) ?? new Places()
    this.#places.set(process, places)
    places.set(id, placeOf(target))
    const alike = this.#things.get(thing) ?? new Set()
    this.#things.set(thing, alike.add(id))
    for (const other of alike) {
      const seen = this.#seen.get(other)
      if (seen !== undefined && at - seen.at >= APART_MS && connections < seen.connections)
        this.#apart.add(pairOf(id, other))
    }
  }

  /** Other entries that are the same server of the same process, or the same process. */
  twinsOf(id: string): string[] {
    const alike = this.#things.get(this.#seen.get(id)?.thing ?? '') ?? []
    return [...alike].filter((other) => other !== id && !this.#apart.has(pairOf(id, other)))
  }

  /** One name for the process, wherever it is asked. */
  nameOf(target: HaproxyTarget): string {
    return this.#places.get(this.#seen.get(target.id)?.process ?? '')?.first ?? placeOf(target)
  }

  forget(id: string): void {
    const seen = this.#seen.get(id)
    if (seen === undefined) return
    this.#seen.delete(id)
    const alike = this.#things.get(seen.thing)
    for (const other of alike ?? []) this.#apart.delete(pairOf(id, other))
    if (alike?.delete(id) && alike.size === 0) this.#things.delete(seen.thing)
    const places = this.#places.get(seen.process)
    places?.delete(id)
    if (places?.first === null) this.#places.delete(seen.process)
  }
}

/** Places by the entries that name them, and the first of them in order. */
class Places {
  readonly #byEntry = new Map<string, string>()
  #first: string | null = null

  get first(): string | null {
    return this.#first
  }

  set(id: string, place: string): void {
    if (this.#byEntry.get(id) === place) return
    this.#byEntry.set(id, place)
    this.#look()
  }

  delete(id: string): void {
    if (this.#byEntry.delete(id)) this.#look()
  }

  #look(): void {
    this.#first = [...this.#byEntry.values()].reduce<string | null>(
      (first, place) => (first === null || place < first ? place : first),
      null,
    )
  }
}

const placeOf = ({ socket, address }: HaproxyTarget): string => socket ?? address ?? ''

const pairOf = (one: string, other: string): string => [one, other].sort().join(' ')
