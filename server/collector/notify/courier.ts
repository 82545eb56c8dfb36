import { ulid } from 'ulid'
import { AppError, type ChannelConfig, type Incident, type LivePublisher } from '../../contract/index.ts'
import { durationWords } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import type { ChannelFigures, Store, StoredNotification } from '../../store/store.ts'
import { within } from '../../time/deadline.ts'
import { channelWords, incidentMessage, type Message, testMessage } from './channels/message.ts'
import type { Outcome } from './channels/outcome.ts'
import { ClockWatch } from './clock-watch.ts'
import { isTelling } from './conversation.ts'
import { Lane } from './lane.ts'
import { Ledger } from './ledger.ts'
import type { SilencedBy } from './silence.ts'
import { type Share, Summaries, shareOf } from './summaries.ts'
import { Trial } from './trial.ts'

export type CourierStore = Pick<
  Store,
  | 'addNotification'
  | 'dueNotifications'
  | 'claimNotification'
  | 'settleNotification'
  | 'conversations'
  | 'takeHeldBack'
  | 'endHeldBack'
  | 'hurryNotifications'
  | 'advanceNotifications'
  | 'expireNotifications'
  | 'channelFigures'
>

/** How long things take, in ms; the usual ones where left out. */
export interface CourierTimes {
  /** One attempt; below the lease. */
  attemptMs: number
  /** How long a message belongs to its sender. */
  leaseMs: number
  retryBaseMs: number
  retryMaxMs: number
  /** A silenced message is looked at again. */
  silencedMs: number
  /** From the first message that is held back to the summary, and between two summaries. */
  summaryMs: number
  nextSummaryMs: number
}

const TIMES: CourierTimes = {
  attemptMs: 12_000,
  leaseMs: 30_000,
  retryBaseMs: 5_000,
  retryMaxMs: 15 * 60_000,
  silencedMs: 15_000,
  summaryMs: 60_000,
  nextSummaryMs: 10 * 60_000,
}

/** After so long, and so many attempts, a message is given up. */
const GIVE_UP_MS = 24 * 3_600_000
const GIVE_UP_ATTEMPTS = 8
const GIVEN_UP = 'given up: it could not be sent within 24 h'
/** Messages looked at in one go. */
const MAX_DUE = 200
const CLOSE_MS = 5_000

export interface CourierOptions {
  store: CourierStore
  live: Pick<LivePublisher, 'changed'>
  log: Log
  /** Wall clock, epoch ms. */
  now: () => number
  monotonic: () => number
  /** An incident as it is now; null where there is none. */
  incidentOf: (id: string) => Promise<Incident | null>
  silencedBy: SilencedBy
  /** Address of the pages, without a slash at its end. */
  url: string
  times?: Partial<CourierTimes>
}

/**
 * Carries what the store holds for people to where they are: claims a message, sends it, writes down what became of it. A message is in
 * the store before it is sent, so it arrives at least once, whoever is killed in between; and never blocks whoever wrote it.
 */
export class Courier {
  readonly #options: CourierOptions
  readonly #times: CourierTimes
  readonly #lanes = new Map<string, Lane>()
  /** Who claims; each run of the collector is somebody else. */
  readonly #owner = ulid()
  readonly #stop = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #stored = new Map<string, ChannelFigures>()
  readonly #ledger: Ledger
  readonly #summaries: Summaries
  readonly #trial: Trial
  readonly #clock: ClockWatch
  #isResumed = false

  constructor(options: CourierOptions) {
    this.#options = options
    const times = { ...TIMES, ...options.times }
    this.#times = times
    const owner = this.#owner
    this.#ledger = new Ledger({ ...options, owner })
    const ledger = this.#ledger
    this.#summaries = new Summaries({ ...options, ledger, times })
    this.#trial = new Trial({ ...options, ledger, owner, times })
    this.#clock = new ClockWatch(options)
  }

  lanes(): readonly Lane[] {
    return [...this.#lanes.values()]
  }

  stored(name: string): ChannelFigures | null {
    return this.#stored.get(name) ?? null
  }

  /** The channels that are in force from now on. What waits for one that left waits for its return, up to a day. */
  setChannels(configs: readonly ChannelConfig[]): void {
    const names = new Set(configs.map(({ name }) => name))
    for (const name of this.#lanes.keys()) if (!names.has(name)) this.#lanes.delete(name)
    for (const config of configs) {
      const lane = this.#lanes.get(config.name)
      if (lane === undefined)
        this.#lanes.set(config.name, new Lane(config, { ...this.#times, monotonic: this.#options.monotonic }))
      // An entry that was mended is tried at once, not when the old one's patience is over.
      else if (lane.change(config)) this.#hurry(config.name)
    }
    this.#isResumed = false
  }

  /** Looks what is due and lets every channel that is ready take its messages. Rejects where the store cannot be asked. */
  async look(): Promise<void> {
    const { store, now } = this.#options
    if (this.#stop.signal.aborted) return
    await this.#watchClock()
    if (this.#lanes.size === 0) return
    const at = now()
    await this.#resume(at)
    const ready = [...this.#lanes.values()].filter((lane) => lane.isReady)
    if (ready.length === 0) return
    const names = ready.map(({ config }) => config.name)
    const due = await store.dueNotifications(names, at, this.#times.leaseMs, MAX_DUE)
    for (const [name, rows] of Map.groupBy(due, ({ channel }) => channel)) {
      const lane = this.#lanes.get(name)
      if (lane?.isReady) this.#run(lane, rows)
    }
  }

  /** Reads how the channels do, and nothing else. */
  async refresh(): Promise<void> {
    const { store, now } = this.#options
    this.#stored = await store.channelFigures(now())
  }

  /** Figures of the store, and an end to what has waited for too long. */
  async tidy(): Promise<void> {
    const { store, now } = this.#options
    await this.refresh()
    const expired = await store.expireNotifications({
      since: now() - GIVE_UP_MS,
      attempts: GIVE_UP_ATTEMPTS,
      channels: [...this.#lanes.keys()],
      reason: GIVEN_UP,
    })
    if (expired.length === 0) return
    for (const row of expired) if (row.kind === 'summary') await this.#summaries.ended(row, false)
    this.#options.log.error({ messages: expired.length }, 'notifications were given up after 24 h')
  }

  /** One test, now, whatever else waits. Throws `ERR_NOT_FOUND`, `ERR_CONFLICT` where the channel is busy. */
  async test(name: string, actor: string): Promise<{ row: StoredNotification; answer: string | null }> {
    const lane = this.#lanes.get(name)
    if (lane === undefined) throw new AppError('ERR_NOT_FOUND', `There is no channel ${name}`, { id: name })
    const wasFailing = lane.failingSince !== null
    const told = await this.#trial.run(lane, actor)
    if (wasFailing && told.row.state === 'sent') this.#hurry(name)
    return told
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  /** Nothing new is begun; what is on its way gets some seconds. What has no answer then is sent again by the next start. */
  async close(): Promise<void> {
    this.#stop.abort()
    await within(CLOSE_MS, Promise.allSettled(this.#running), { late: () => [] })
  }

  #run(lane: Lane, rows: readonly StoredNotification[]): void {
    lane.isBusy = true
    const work = this.#deliverAll(lane, rows)
      .catch((error: unknown) =>
        this.#options.log.warn(
          { err: error, channel: lane.config.name },
          'a notification waits for the store',
        ),
      )
      .finally(() => {
        lane.isBusy = false
        this.#running.delete(work)
      })
    this.#running.add(work)
  }

  async #deliverAll(lane: Lane, rows: readonly StoredNotification[]): Promise<void> {
    const { store, now } = this.#options
    const share = shareOf((await store.channelFigures(now())).get(lane.config.name))
    for (const row of rows) {
      if (this.#stop.signal.aborted || this.#lanes.get(row.channel) !== lane) return
      const goesOn = await this.#deliver(lane, row, share)
      if (!goesOn) return
    }
  }

  /** False where the channel should not be asked for the next one. */
  async #deliver(lane: Lane, row: StoredNotification, share: Share): Promise<boolean> {
    const { store, now } = this.#options
    const incident = row.incidentId === null ? null : await this.#options.incidentOf(row.incidentId)
    if (row.incidentId !== null && incident === null) {
      await this.#ledger.settle(row, {
        state: 'failed',
        nextAttemptAt: null,
        reason: 'the incident is not there any more',
      })
      return true
    }
    if (incident !== null) {
      if (isTelling(row.kind) && (await this.#silence(row, incident))) return true
      if (await this.#summaries.takes(lane, row, share)) return true
    }
    // What is left to a summary from now on is left to the next one.
    if (share.summaryId === row.id) share.summaryId = null
    const message = await this.#messageOf(row, incident)
    if (message === null) {
      await this.#ledger.settle(row, {
        state: 'silenced',
        nextAttemptAt: null,
        reason: 'nothing was left to tell in it',
      })
      return true
    }
    const claim = { id: row.id, owner: this.#owner, now: now(), leaseMs: this.#times.leaseMs, message }
    if (!(await store.claimNotification(claim))) return true
    const outcome = await lane.attempt(
      JSON.parse(message) as Message,
      this.#times.attemptMs,
      this.#options.log,
    )
    if (outcome.state === 'sent') share.sent += 1
    return this.#saw(lane, { ...row, attempts: row.attempts + 1 }, outcome)
  }

  async #saw(lane: Lane, row: StoredNotification, outcome: Outcome): Promise<boolean> {
    const at = this.#options.now()
    const isMended = outcome.state === 'sent' && lane.failingSince !== null
    const waitMs = lane.saw(outcome, at)
    if (isMended) this.#hurry(row.channel)
    const channel = channelWords(lane.config)
    if (outcome.state === 'sent') {
      lane.figures.sent += 1
      const reason = row.state === 'silenced' ? `told later: it was ${row.reason}` : row.reason
      await this.#ledger.settle(
        row,
        { state: 'sent', sentAt: at, nextAttemptAt: null, lastError: null, reason },
        `${channel} was told: ${reason}`,
      )
      if (row.kind === 'summary') await this.#summaries.ended(row, true)
      return true
    }
    const isOver = outcome.isFinal || (at - row.createdAt >= GIVE_UP_MS && row.attempts >= GIVE_UP_ATTEMPTS)
    const { error } = outcome
    if (isOver) {
      lane.figures.failed += 1
      this.#options.log.error({ channel: row.channel, id: row.id, error }, 'a notification was given up')
      const reason = outcome.isFinal ? 'given up: the receiver refused it' : GIVEN_UP
      await this.#ledger.settle(
        row,
        { state: 'failed', nextAttemptAt: null, lastError: error, reason },
        `${channel} could not be told, given up: ${error}`,
      )
      if (row.kind === 'summary') await this.#summaries.ended(row, false)
      return true
    }
    lane.figures.retried += 1
    this.#options.log.warn(
      { channel: row.channel, id: row.id, error, waitMs },
      'a notification was not taken',
    )
    await this.#ledger.settle(
      row,
      { state: 'waiting', nextAttemptAt: at + Math.ceil(waitMs), lastError: error },
      `${channel} could not be told, tried again in ${durationWords(waitMs)}: ${error}`,
    )
    return false
  }

  /** True where something that was announced explains the incident. */
  async #silence(row: StoredNotification, incident: Incident): Promise<boolean> {
    const { silencedBy, now } = this.#options
    const silence = silencedBy(incident, now())
    if (silence === null) return false
    await this.#ledger.settle(
      row,
      {
        state: 'silenced',
        nextAttemptAt: now() + this.#times.silencedMs,
        reason: `silenced by ${silence.reason}`,
      },
      row.state === 'silenced' ? null : `${row.channel} is not told: silenced by ${silence.reason}`,
    )
    return true
  }

  /** As it is sent, JSON; null where a summary has nothing left to say. */
  async #messageOf(row: StoredNotification, incident: Incident | null): Promise<string | null> {
    if (row.message !== null) return row.message
    const { url, now } = this.#options
    const envelope = { id: row.id, channel: row.channel, now: now(), url }
    if (incident !== null) {
      const note =
        row.state === 'silenced'
          ? `told later: it was ${row.reason}`
          : row.kind === 'updated'
            ? row.reason
            : null
      return JSON.stringify(incidentMessage(envelope, row.kind, incident, note))
    }
    // Its caller could not claim it and is gone: it is still a test, and no summary of nothing.
    if (row.kind === 'test') {
      const { kind } = this.#lanes.get(row.channel)?.config ?? { kind: 'webhook' as const }
      return JSON.stringify(testMessage(envelope, kind, row.reason.replace(/^test by /, '')))
    }
    const summary = await this.#summaries.messageOf(row, envelope)
    return summary === null ? null : JSON.stringify(summary)
  }

  #hurry(name: string): void {
    const { store, now, log } = this.#options
    store
      .hurryNotifications(name, now())
      .catch((error: unknown) => log.warn({ err: error, channel: name }, 'what waits keeps its time'))
  }

  /** What failed before a restart still fails until something arrives. */
  async #resume(at: number): Promise<void> {
    if (this.#isResumed) return
    this.#stored = await this.#options.store.channelFigures(at)
    for (const [name, lane] of this.#lanes) lane.resume(this.#stored.get(name)?.failingSince ?? null)
    this.#isResumed = true
  }

  /** A clock that was set back would let everything wait for as long as it was wrong. */
  async #watchClock(): Promise<void> {
    const { store, log } = this.#options
    const back = this.#clock.setBackBy()
    if (back === 0) return
    await store.advanceNotifications(back)
    this.#clock.accept()
    log.warn({ ms: Math.round(back) }, 'the clock was set back; notifications wait no longer for it')
  }
}
