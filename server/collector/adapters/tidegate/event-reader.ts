import { setTimeout as delay } from 'node:timers/promises'
import { type FleetEvent, LIVE_ONLY_EVENT_TYPES, type NodeEvent } from '../../../contract/index.ts'
import type { Log } from '../../../observe/log.ts'
import type { EventSink } from '../adapter.ts'
import type { Refusal } from '../refusals.ts'
import { EVENT_ALLOWANCE, type EventAllowance, EventBudget } from './event-budget.ts'
import { RefusedEvents, readNodeEvent } from './node-events.ts'

/** How long a node that was read more slowly is told to be. */
const THROTTLED_TOLD_MS = 60_000
/** A single wait for the budget: a node that moves meanwhile is not kept waiting for longer. */
const MAX_WAIT_MS = 5_000

export interface EventReaderOptions {
  target: () => { readonly id: string; readonly region: string }
  sink: EventSink
  log: Log
  allowance?: EventAllowance | undefined
  /** Wall clock in epoch ms. */
  now: () => number
}

/** What one node says, as events of the fleet: bounded in number and size, in our own clock, and under the name of whom we asked. */
export class EventReader {
  readonly #options: EventReaderOptions
  readonly #allowance: EventAllowance
  readonly #budget: EventBudget
  readonly #refused = new RefusedEvents()
  /** The newest event's time in our clock: the next one of the run did not happen before it. */
  #timeFloor = 0
  #throttledMs = 0
  #throttledAt = Number.NEGATIVE_INFINITY

  constructor(options: EventReaderOptions) {
    this.#options = options
    this.#allowance = options.allowance ?? EVENT_ALLOWANCE
    this.#budget = new EventBudget(performance.now(), this.#allowance)
  }

  /** Takes from the node's budget, and waits where it is used up. */
  async spend(bytes: number): Promise<void> {
    const waitMs = this.#budget.take(bytes, performance.now())
    if (waitMs === 0) return
    this.#throttledMs += waitMs
    this.#throttledAt = this.#options.now()
    await delay(Math.min(waitMs, MAX_WAIT_MS))
  }

  /** Another process counts its time from the beginning. */
  beginRun(): void {
    this.#timeFloor = 0
  }

  refuse(refusal: Refusal, detail: string): void {
    const { log, target, now } = this.#options
    log.debug({ node: target().id, refusal, detail }, 'an event of a node was refused')
    this.#refused.note(refusal, detail, now())
  }

  /**
   * Hands one event on. True when it is done with, taken or refused; false when it stopped being wanted while there was no room.
   *
   * @param isLive it happened after the connection began
   * @param isPrompt nothing of ours delayed it, so that its arrival tells about the node's clock
   */
  async take(
    raw: unknown,
    { isLive, isPrompt, isWanted }: { isLive: boolean; isPrompt: boolean; isWanted: () => boolean },
  ): Promise<boolean> {
    const reading = readNodeEvent(raw)
    if ('refusal' in reading) {
      this.refuse(reading.refusal, reading.detail)
      return true
    }
    const { sink, target, now } = this.#options
    const { event, bytes } = reading
    const receivedAt = now()
    if (isLive && isPrompt && !this.#isThrottled(receivedAt) && !sink.isLagging())
      sink.clock.sawLive(Date.parse(event.at), receivedAt)
    const told = this.#inOurTime(event, receivedAt)
    if (LIVE_ONLY_EVENT_TYPES.has(event.type)) {
      // What was counted while nobody read it is nothing to look at any more.
      if (isLive) sink.onLiveOnly(told)
      return true
    }
    const input = { ...told, origin: target().id }
    while (!sink.accept(input, bytes)) {
      await sink.room()
      if (!isWanted()) return false
    }
    return true
  }

  /** What is wrong with what the node sends, in sentences. */
  problems(): string[] {
    const now = this.#options.now()
    const told = this.#refused.problems(now)
    if (this.#isThrottled(now)) {
      const { eventsPerSecond, bytesPerSecond } = this.#allowance
      told.push(
        `sends more events than a node may (${eventsPerSecond} and ${Math.round(bytesPerSecond / 1024)} KiB a second for long); they are read more slowly`,
      )
    }
    return told
  }

  figures(): { refused: Record<Refusal, number>; throttledMs: number } {
    return { refused: { ...this.#refused.counts }, throttledMs: this.#throttledMs }
  }

  #isThrottled(now: number): boolean {
    return now - this.#throttledAt < THROTTLED_TOLD_MS
  }

  /** The event in our own clock. Who says it is what we connected to, not what it says. */
  #inOurTime(event: NodeEvent, receivedAt: number): Omit<FleetEvent, 'id'> {
    const { target, sink } = this.#options
    const { id, region } = target()
    const said = Date.parse(event.at)
    const at = sink.clock.timeOf(said, receivedAt, this.#timeFloor)
    this.#timeFloor = at
    return {
      source: 'node',
      seq: event.seq,
      epoch: event.epoch,
      node: id,
      region,
      type: event.type,
      at: new Date(at).toISOString(),
      receivedAt: new Date(receivedAt).toISOString(),
      // Both times are kept where they differ by more than delivery explains.
      data: Math.abs(said - at) > 1_000 ? { ...event.data, nodeAt: event.at } : { ...event.data },
    }
  }
}
