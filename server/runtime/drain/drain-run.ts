import { setTimeout as delay } from 'node:timers/promises'
import { DRAIN_PHASES, type DrainPhase } from '../../contract/states.ts'
import { countWords, openWords, plural, verbFor } from '../../contract/words.ts'
import { within } from '../../time/deadline.ts'
import type { PartContext } from '../part/part.ts'
import { type DrainParts, outstandingOf, remainingOf } from './parts.ts'

/** A part that does not answer a closing verb is left behind after this long, with a warning. */
const VERB_CEILING_MS = 5_000

/** In an operator's drain with a pace, phase 3 may last tunnels ÷ pace plus this. */
const PACE_ALLOWANCE_MS = 10_000

/** Milliseconds that each phase may take. */
export interface PhaseBudgets {
  preDrainMs: number
  connectionsMs: number
  tunnelsMs: number
  cleanupMs: number
}

/** One drain as ordered by a signal or an operator. */
export interface DrainOrder {
  drainId: string
  reason: string
  initiator: string
  source: 'operator' | 'signal'
  /** `hold` ends after phase 3, drained; `exit` goes on to cleanup. A signal is always `exit`. */
  mode: 'hold' | 'exit'
  budgets: PhaseBudgets
  /** What happens to connections at the end of phase 2's budget. A signal always cuts (`force`). */
  onDeadline: 'wait' | 'force' | 'resume'
  tunnelsPerSecond?: number | undefined
}

export interface PhaseRecord {
  phase: DrainPhase
  actualMs: number
  /** Null where the phase had no limit. */
  budgetMs: number | null
}

export interface RunHooks {
  onPhase(phase: DrainPhase): void
  /** Connections and requests that were cut at a part which does not count them itself. */
  onCut(count: number): void
}

/** `stopped`: somebody called `stop()`; `deadline_resume`: phase 2's budget ended and the order says to serve again. */
export type RunOutcome = 'completed' | 'stopped' | 'deadline_resume'

type Ended = 'done' | 'late' | 'stopped'

/**
 * One pass through the phases, the same for a signal and an operator; only the order differs. A run that was stopped can be continued by
 * a new run from the phase that it had reached.
 */
export class DrainRun {
  readonly order: DrainOrder
  readonly startedAt: string
  readonly records: PhaseRecord[]
  readonly warnings: string[]
  phase: DrainPhase
  readonly #parts: DrainParts
  readonly #context: PartContext
  readonly #hooks: RunHooks
  readonly #stop = new AbortController()
  #enteredAt = 0
  #previous: DrainPhase | null

  constructor(
    order: DrainOrder,
    parts: DrainParts,
    context: PartContext,
    hooks: RunHooks,
    earlier?: Pick<DrainRun, 'phase' | 'records' | 'warnings' | 'startedAt'>,
  ) {
    this.order = order
    this.#parts = parts
    this.#context = context
    this.#hooks = hooks
    this.records = [...(earlier?.records ?? [])]
    this.warnings = [...(earlier?.warnings ?? [])]
    this.startedAt = earlier?.startedAt ?? new Date().toISOString()
    this.phase = earlier?.phase ?? 'pre_drain'
    this.#previous = this.records.at(-1)?.phase ?? null
  }

  /** Ends the run at its next wait. What it has done stays done. */
  stop(): void {
    this.#stop.abort()
  }

  /** Walks from `from` to the last phase of the order. Never rejects: the failures of parts become warnings. */
  async run(from: DrainPhase = this.phase): Promise<RunOutcome> {
    const last: DrainPhase = this.order.mode === 'exit' ? 'cleanup' : 'tunnels'
    for (const phase of DRAIN_PHASES.slice(DRAIN_PHASES.indexOf(from), DRAIN_PHASES.indexOf(last) + 1)) {
      this.#enter(phase)
      const budgetMs = this.#budgetOf(phase)
      const outcome = await this.#walk(phase, budgetMs)
      this.#leave(
        phase,
        this.order.source === 'operator' && this.order.onDeadline === 'wait' && phase === 'connections'
          ? null
          : budgetMs,
      )
      if (outcome !== 'completed') return outcome
      if (this.#stop.signal.aborted && phase !== 'cleanup') return 'stopped'
    }
    return 'completed'
  }

  #enter(phase: DrainPhase): void {
    this.phase = phase
    this.#enteredAt = performance.now()
    if (this.#previous !== phase) {
      this.#context.emit('drain.phase_changed', {
        drainId: this.order.drainId,
        scope: 'node',
        from: this.#previous,
        to: phase,
        phaseMs: this.records.at(-1)?.actualMs ?? null,
      })
    }
    this.#hooks.onPhase(phase)
  }

  /** A phase that a second run repeats (a signal took over) is one record with the time of both runs. */
  #leave(phase: DrainPhase, budgetMs: number | null): void {
    const actualMs = Math.round(performance.now() - this.#enteredAt)
    const known = this.records.find((record) => record.phase === phase)
    if (known === undefined) this.records.push({ phase, actualMs, budgetMs })
    else {
      known.actualMs += actualMs
      known.budgetMs = budgetMs
    }
    this.#previous = phase
  }

  #budgetOf(phase: DrainPhase): number {
    const { budgets, source, tunnelsPerSecond } = this.order
    if (phase === 'pre_drain') return budgets.preDrainMs
    if (phase === 'connections') return budgets.connectionsMs
    if (phase === 'cleanup') return budgets.cleanupMs
    if (source === 'signal' || tunnelsPerSecond === undefined) return budgets.tunnelsMs
    return (remainingOf(this.#parts).tunnels / tunnelsPerSecond) * 1000 + PACE_ALLOWANCE_MS
  }

  async #walk(phase: DrainPhase, budgetMs: number): Promise<RunOutcome> {
    if (phase === 'pre_drain') return this.#preDrain(budgetMs)
    if (phase === 'connections') return this.#connections(budgetMs)
    if (phase === 'tunnels') return this.#tunnels(budgetMs)
    return this.#cleanup(budgetMs)
  }

  async #preDrain(budgetMs: number): Promise<RunOutcome> {
    for (const part of this.#parts.serving) part.setReadiness({ ready: false, reason: 'draining' })
    if (this.order.source === 'operator') this.#parts.relay?.setCordon(true)
    await delay(budgetMs, undefined, { signal: this.#stop.signal }).catch(() => undefined) // Aborted: checked by the caller.
    return 'completed'
  }

  async #connections(budgetMs: number): Promise<RunOutcome> {
    const { serving, relay } = this.#parts
    for (const part of serving) part.setReadiness({ ready: false, reason: 'draining' })
    relay?.setCordon(true)
    await Promise.all(serving.map((part) => this.#bounded('stop accepting', part.stopAccepting())))
    const work = (signal: AbortSignal) => this.#moveAndFinish(signal)
    const ended = await this.#within(budgetMs, work)
    if (ended !== 'late') return ended === 'stopped' ? 'stopped' : 'completed'

    const { connections, requests } = outstandingOf(serving)
    // Hosts that are still on their way are left to phase 3.
    if (connections + requests === 0) return 'completed'
    this.#exceeded('connections', budgetMs, connections + requests)
    if (this.#cuts) {
      const cut = await this.#cut(
        serving.map((part) => async () => {
          const gone = await part.abortRest()
          if ((part as unknown) !== relay) this.#hooks.onCut(gone.connections + gone.requests)
          return gone
        }),
      )
      this.warnings.push(`${cut} after ${budgetMs / 1000} s`)
      return 'completed'
    }
    if (this.order.onDeadline === 'resume') return 'deadline_resume'
    this.warnings.push(
      `${openWords(connections, requests)} outlasted ${budgetMs / 1000} s and ${verbFor(connections + requests, 'was', 'were')} waited for`,
    )
    await work(this.#stop.signal)
    return this.#stop.signal.aborted ? 'stopped' : 'completed'
  }

  /** At a deadline what is left is cut; otherwise the run waits for it. */
  get #cuts(): boolean {
    return this.order.source === 'signal' || this.order.onDeadline === 'force'
  }

  /** The pace of an operator is a promise to the receiving regions; after a signal a clock is running that ends with a kill. */
  get #pace(): number | undefined {
    return this.order.source === 'operator' ? this.order.tunnelsPerSecond : undefined
  }

  /** Phase 2's own work: hosts move, and what is in flight finishes. */
  async #moveAndFinish(signal: AbortSignal): Promise<void> {
    const { serving, relay } = this.#parts
    await relay?.moveTunnels({ tunnelsPerSecond: this.#pace, signal })
    // Afterwards it also waits for what visitors opened meanwhile on tunnels that are over.
    await Promise.all(serving.map((part) => part.whenIdle(signal)))
  }

  /** Aborts what is left and waits until it is gone: an aborted request must not outlive the answer that it is gone. */
  async #cut(aborts: readonly (() => Promise<{ connections: number; requests: number }>)[]): Promise<string> {
    const cut = { connections: 0, requests: 0 }
    await Promise.all(
      aborts.map(async (abort) => {
        const answer = await this.#bounded('abort the rest', abort())
        cut.connections += answer?.connections ?? 0
        cut.requests += answer?.requests ?? 0
      }),
    )
    return `${openWords(cut.connections, cut.requests)} ${verbFor(cut.connections + cut.requests, 'was', 'were')} cut`
  }

  async #tunnels(budgetMs: number): Promise<RunOutcome> {
    const { relay, push } = this.#parts
    push?.refuse(true)
    const untilMs = performance.now() + budgetMs
    const before = this.#parts.relay?.stats().tunnels.current ?? 0
    const work = (signal: AbortSignal) =>
      Promise.all([relay?.drainTunnels({ tunnelsPerSecond: this.#pace, signal }), push?.flush(signal)])
    // 0 skips the wait: tunnels that are left are closed at once.
    const ended = budgetMs === 0 ? 'late' : await this.#within(budgetMs, work)
    if (ended === 'stopped') return 'stopped'
    const { tunnels, pushes } = remainingOf(this.#parts)
    if (tunnels + pushes > 0) {
      this.#exceeded('tunnels', budgetMs, tunnels + pushes)
      if (tunnels > 0)
        this.warnings.push(
          `${countWords(tunnels)} of ${plural(before, 'tunnel')} ${verbFor(tunnels, 'was', 'were')} still there after ${budgetMs / 1000} s`,
        )
      if (pushes > 0)
        this.warnings.push(
          `${plural(pushes, 'push', 'pushes')} ${verbFor(pushes, 'was', 'were')} not settled after ${budgetMs / 1000} s`,
        )
    }
    if (relay === undefined) return 'completed'
    // The budget is over: tunnels that are left are closed now, with the code that sends hosts elsewhere at once.
    if (tunnels > 0) await this.#bounded('close the last tunnels', relay.endTunnels())
    await this.#bounded('unbind the relay', relay.unbind())
    return await this.#lastRequests(relay, untilMs - performance.now(), budgetMs)
  }

  /** What visitors of a relay still have open when its port is given back: requests that it passed on to other relays. */
  async #lastRequests(
    relay: NonNullable<DrainParts['relay']>,
    leftMs: number,
    budgetMs: number,
  ): Promise<RunOutcome> {
    const ended = await this.#within(Math.max(0, leftMs), (signal) => relay.whenEmpty(signal))
    if (ended === 'stopped') return 'stopped'
    const { connections, requests } = remainingOf({ serving: this.#parts.serving })
    if (ended === 'late' && connections + requests > 0) {
      this.#exceeded('tunnels', budgetMs, connections + requests)
      if (this.#cuts) {
        const cut = await this.#cut([() => relay.abortAll()])
        this.warnings.push(`${cut} at the end of phase 3`)
      } else {
        this.warnings.push(
          `${openWords(connections, requests)} outlasted phase 3 and ${verbFor(connections + requests, 'was', 'were')} waited for`,
        )
        await relay.whenEmpty(this.#stop.signal)
        if (this.#stop.signal.aborted) return 'stopped'
      }
    }
    // Nothing runs on them any more; tunnels whose hosts have moved only wait for the end of their notice.
    await this.#bounded('close the last tunnels', relay.endTunnels())
    return 'completed'
  }

  async #cleanup(budgetMs: number): Promise<RunOutcome> {
    const { serving, push } = this.#parts
    const ended = await this.#within(
      budgetMs,
      () =>
        Promise.all([
          ...serving.map((part) => this.#guarded('close', part.close())),
          ...(push === undefined ? [] : [this.#guarded('close the push session', push.close())]),
        ]),
      false,
    )
    if (ended === 'late') {
      this.#exceeded('cleanup', budgetMs, 1)
      this.warnings.push(`cleanup took more than ${budgetMs / 1000} s`)
      await Promise.all(serving.map((part) => this.#bounded('destroy', part.destroy())))
      if (push !== undefined) await this.#bounded('destroy the push client', Promise.resolve(push.destroy()))
    }
    return 'completed'
  }

  #exceeded(phase: DrainPhase, budgetMs: number, left: number): void {
    this.#context.emit('drain.budget_exceeded', {
      drainId: this.order.drainId,
      phase,
      budgetMs: Math.round(budgetMs),
      left,
    })
  }

  /** Waits for `work`, no longer than `ms`; then `work`'s signal is aborted and it gets a moment to let go. */
  async #within(
    ms: number,
    work: (signal: AbortSignal) => Promise<unknown>,
    stoppable = true,
  ): Promise<Ended> {
    let over: Promise<unknown> = Promise.resolve()
    const begin = (signal: AbortSignal): Promise<Ended> => {
      const ended = this.#guarded('work', work(signal)).then(() => 'done' as const)
      over = ended
      return ended
    }
    const stop = stoppable ? { signal: this.#stop.signal } : {}
    const first = await within<Ended, Ended>(ms, begin, { ...stop, late: () => 'late' }).catch(
      () => 'stopped' as const,
    )
    if (first !== 'done') await within(VERB_CEILING_MS, over, { late: () => undefined })
    return stoppable && this.#stop.signal.aborted ? 'stopped' : first
  }

  /** A closing verb that fails becomes a warning: nothing may stop a drain half-way. */
  async #guarded<T>(what: string, promise: Promise<T>): Promise<T | undefined> {
    try {
      return await promise
    } catch (error) {
      this.warnings.push(`could not ${what}: ${error instanceof Error ? error.message : String(error)}`)
      this.#context.log.error({ err: error, phase: this.phase }, `drain: could not ${what}`)
      return undefined
    }
  }

  async #bounded<T>(what: string, promise: Promise<T>): Promise<T | undefined> {
    const isLate = Symbol('late')
    const first = await within(VERB_CEILING_MS, this.#guarded(what, promise), { late: () => isLate })
    if (first !== isLate) return first as T | undefined
    this.warnings.push(`a part did not ${what} within ${VERB_CEILING_MS / 1000} s`)
    return undefined
  }
}
