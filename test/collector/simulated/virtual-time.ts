import type { Timers } from '../../../server/time/timers.ts'

interface Due {
  at: number
  order: number
  act: () => void
  isCleared: boolean
}

/** More promises than stand between a poll's answer and its judgement. */
const SETTLING_TURNS = 24

/** Time that passes as fast as the machine can work: a wall clock, a monotonic one, and timers that fire in their order. */
export class VirtualTime implements Timers {
  /** A heap: the next one first. */
  readonly #due: Due[] = []
  #monotonicMs = 0
  #wallOffsetMs: number
  #order = 0
  #mustSettle = false

  constructor(startedAt: number) {
    this.#wallOffsetMs = startedAt
  }

  /** Epoch ms. */
  readonly now = (): number => this.#monotonicMs + this.#wallOffsetMs
  readonly monotonic = (): number => this.#monotonicMs

  set(act: () => void, ms: number): Due {
    this.#order += 1
    const due = { at: this.#monotonicMs + Math.max(0, ms), order: this.#order, act, isCleared: false }
    this.#push(due)
    return due
  }

  clear(timer: unknown): void {
    if (timer) (timer as Due).isCleared = true
  }

  /** What was done now goes on in promises: they have their turn before time goes on. */
  settle(): void {
    this.#mustSettle = true
  }

  /** Nothing runs for so long: the process stands still. */
  freeze(ms: number): void {
    this.#monotonicMs += ms
  }

  /** The machine is suspended for so long (its monotonic clock stands still), or somebody sets its clock. */
  shiftWall(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** Lets so many monotonic ms pass. */
  async pass(ms: number): Promise<void> {
    const until = this.#monotonicMs + ms
    for (let next = this.#due[0]; next !== undefined && next.at <= until; next = this.#due[0]) {
      this.#pop()
      if (next.isCleared) continue
      this.#monotonicMs = Math.max(this.#monotonicMs, next.at)
      next.act()
      if (!this.#mustSettle) continue
      this.#mustSettle = false
      // A poll is a chain of promises and nothing else: no socket and no disk has to answer.
      for (let turn = 0; turn < SETTLING_TURNS; turn += 1) await undefined
    }
    this.#monotonicMs = Math.max(this.#monotonicMs, until)
  }

  #push(due: Due): void {
    const heap = this.#due
    let index = heap.push(due) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(due, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = due
  }

  #pop(): void {
    const heap = this.#due
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}

const isBefore = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
