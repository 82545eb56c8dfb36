import { ulid } from 'ulid'
import type { DrainBudget } from '../../contract/drain-budget.ts'
import { AppError } from '../../contract/errors.ts'
import type { DrainHealth } from '../../contract/health.ts'
import type { NodeCordonRequest, NodeDrainRequest } from '../../contract/node-api.ts'
import type { DrainPhase, NodeState } from '../../contract/states.ts'
import { Turn } from '../../time/turn.ts'
import type { DrainStatus } from '../part/drain-parts.ts'
import type { PartContext, ServingPart } from '../part/part.ts'
import { type DrainOrder, DrainRun, type PhaseBudgets, type RunHooks, type RunOutcome } from './drain-run.ts'
import type { IntentFile } from './intent.ts'
import { type DrainParts, remainingOf } from './parts.ts'

/** What the drain needs from its node. */
export interface DrainHost {
  readonly context: PartContext
  readonly budget: DrainBudget
  readonly intent: IntentFile
  readonly parts: DrainParts
  state(): NodeState
  setState(state: NodeState, reason: string | null): void
  /** Binds the part's ports again, or for the first time where the node started drained. Throws `ERR_PORT_TAKEN`. */
  bind(part: ServingPart): Promise<void>
  /** Called once after a drain in mode `exit` has cleaned up. Absent: the node is embedded, `exit` is refused. */
  readonly exit?: (() => void) | undefined
}

interface Held {
  drainId: string
  reason: string
  startedAt: string
  /** Absent where the process started drained: then there was no run in this process. */
  run?: DrainRun
}

/**
 * The one drain of a node: who ordered it, how far it has got, and who may take over. Verbs that change something run one after the
 * other; a signal overrides everything.
 */
export class NodeDrain {
  readonly #host: DrainHost
  #run: DrainRun | null = null
  /** Settles when the current run has ended, whatever its outcome. */
  #running: Promise<RunOutcome> = Promise.resolve('completed')
  #held: Held | null = null
  #signalled: Promise<void> | null = null
  #exiting = false
  readonly #turn = new Turn()
  /** What was cut since the start at parts that do not count the cost of a drain themselves. */
  #cut = 0
  readonly #hooks: RunHooks = {
    onPhase: (phase) => this.#onPhase(phase),
    onCut: (count) => {
      this.#cut += count
    },
  }

  constructor(host: DrainHost) {
    this.#host = host
  }

  /** True once the process is certain to end. */
  get ending(): boolean {
    return this.#exiting || this.#signalled !== null
  }

  status(): DrainStatus {
    return {
      drainId: this.#run?.order.drainId ?? this.#held?.drainId ?? null,
      state: this.#host.state(),
      phase: this.#run?.phase ?? null,
      startedAt: this.#run?.startedAt ?? this.#held?.startedAt ?? null,
      reason: this.#run?.order.reason ?? this.#held?.reason ?? null,
      remaining: remainingOf(this.#host.parts),
    }
  }

  health(): DrainHealth {
    const { drainId, phase, startedAt, reason, remaining } = this.status()
    const { budget } = this.#host
    return {
      drainId,
      phase,
      startedAt,
      reason: reason?.slice(0, 256) ?? null,
      budgetSeconds: {
        preDrain: budget.preDrainSeconds,
        http: budget.httpSeconds,
        tunnels: budget.tunnelsSeconds,
        margin: budget.marginSeconds,
      },
      ceilingSeconds: budget.ceilingSeconds,
      fits: budget.fits,
      remaining,
      requestsFailed: this.#cut + (this.#host.parts.relay?.stats().requests.failed?.draining ?? 0),
    }
  }

  /** A process that finds a drain wish starts drained: nothing is bound, nothing is registered. */
  startHeld(request: NodeDrainRequest, acceptedAt: string): void {
    this.#held = { drainId: request.drainId, reason: request.reason, startedAt: acceptedAt }
    this.#host.parts.push?.refuse(true)
  }

  /**
   * Starts an operator's drain, or answers with the one of the same id. Rejects with `ERR_DRAIN_RUNNING` (another runs or
   * holds), `ERR_UNSUPPORTED` (`exit` on an embedded node), `ERR_STARTING`, `ERR_DATA_FOLDER` (the wish cannot be written).
   */
  begin(request: NodeDrainRequest): Promise<DrainStatus> {
    return this.#turn.run(async () => {
      const now = this.status()
      if (now.drainId === request.drainId && this.#signalled === null) return now
      if (now.drainId !== null || this.ending) {
        throw new AppError(
          'ERR_DRAIN_RUNNING',
          `This node is ${now.state} by ${now.drainId ?? 'a signal'} since ${now.startedAt ?? 'now'}; resume it first`,
          { drainId: now.drainId, state: now.state, since: now.startedAt },
        )
      }
      if (now.state !== 'serving')
        throw new AppError('ERR_STARTING', `This node is ${now.state}`, { state: now.state })
      if (request.mode === 'exit' && this.#host.exit === undefined) {
        throw new AppError(
          'ERR_UNSUPPORTED',
          'An embedded node cannot end its process; drain it with mode hold',
          {
            mode: 'exit',
          },
        )
      }
      // Durable before it acts: a node that dies in the middle must come back drained, not serving.
      await this.#host.intent.write({
        ...this.#host.intent.current,
        drain: { ...request, acceptedAt: new Date().toISOString() },
      })
      const order: DrainOrder = {
        drainId: request.drainId,
        reason: request.reason,
        initiator: request.initiator,
        source: 'operator',
        mode: request.mode,
        budgets: this.#budgets(request.deadlineSeconds),
        onDeadline: request.onDeadline,
        tunnelsPerSecond: request.tunnelsPerSecond,
      }
      this.#announce(order)
      this.#launch(new DrainRun(order, this.#host.parts, this.#host.context, this.#hooks))
      return this.status()
    })
  }

  /** Resolves when the drain that runs now has ended, whatever its outcome; at once when none runs. */
  async settled(): Promise<void> {
    await this.#running
    await this.#turn
  }

  /** Refuses new tunnels from now on, durably, until `resume`. */
  cordon(request: NodeCordonRequest): Promise<DrainStatus> {
    return this.#turn.run(async () => {
      if (this.ending)
        throw new AppError('ERR_CONFLICT', 'This process is ending', { state: this.#host.state() })
      await this.#host.intent.write({ ...this.#host.intent.current, cordon: request })
      this.#host.parts.relay?.setCordon(true)
      return this.status()
    })
  }

  /**
   * Back to serving from draining, drained or cordoned. Rejects with `ERR_PORT_TAKEN` (the node then stays as it was, a running
   * drain goes on) or `ERR_CONFLICT` (the process is ending).
   */
  resume(reason = 'resumed by an operator'): Promise<DrainStatus> {
    return this.#turn.run(async () => {
      if (this.ending)
        throw new AppError('ERR_CONFLICT', 'This process is ending and cannot resume', {
          state: this.#host.state(),
        })
      const state = this.#host.state()
      if (state === 'starting' || state === 'stopping') {
        throw new AppError('ERR_STARTING', `This node is ${state}`, { state })
      }
      const run = this.#run
      if (run !== null) {
        run.stop()
        await this.#running
      }
      try {
        await this.#restore(reason)
      } catch (error) {
        if (run !== null && this.#held === null) this.#continue(run)
        throw error
      }
      if (run !== null) this.#aborted(run, reason)
      return this.status()
    })
  }

  /**
   * The whole sequence for a signal, ending cleaned up. Takes over from an operator's drain with its own budgets; a second
   * signal joins the first.
   */
  signal(name: string): Promise<void> {
    this.#signalled ??= this.#turn.run(async () => {
      if (this.#exiting) {
        await this.#running
        return
      }
      const previous = this.#run ?? this.#held?.run ?? null
      if (this.#run !== null) {
        this.#run.stop()
        await this.#running
      }
      const held = this.#held
      const order: DrainOrder = {
        drainId: previous?.order.drainId ?? held?.drainId ?? ulid(),
        reason: previous?.order.reason ?? held?.reason ?? name,
        initiator: `signal:${name}`,
        source: 'signal',
        mode: 'exit',
        budgets: this.#budgets(undefined),
        onDeadline: 'force',
      }
      if (previous === null && held === null) this.#announce(order)
      else this.#host.context.log.info({ drainId: order.drainId }, `${name} takes over the drain`)
      const run = new DrainRun(
        order,
        this.#host.parts,
        this.#host.context,
        this.#hooks,
        previous ?? undefined,
      )
      // A node that is held has the first three phases behind it.
      this.#launch(run, held === null ? run.phase : 'cleanup')
      await this.#running
    })
    return this.#signalled
  }

  #budgets(deadlineSeconds: number | undefined): PhaseBudgets {
    const { budget } = this.#host
    return {
      preDrainMs: budget.preDrainSeconds * 1000,
      connectionsMs: (deadlineSeconds ?? budget.httpSeconds) * 1000,
      tunnelsMs: budget.tunnelsSeconds * 1000,
      cleanupMs: budget.marginSeconds * 1000,
    }
  }

  #announce(order: DrainOrder): void {
    const { drainId, reason, initiator, mode } = order
    this.#host.context.log.info({ drainId, reason, initiator, mode }, 'drain started')
    this.#host.context.emit('drain.started', { drainId, scope: 'node', reason, initiator, mode })
  }

  #onPhase(phase: DrainPhase): void {
    const run = this.#run
    this.#host.context.log.info({ drainId: run?.order.drainId, phase }, `drain phase ${phase}`)
    if (phase === 'cleanup') this.#exiting = true
    this.#host.setState(phase === 'cleanup' ? 'stopping' : 'draining', run?.order.reason ?? null)
  }

  /** The same drain again from the phase it had reached: after a resume that could not bind. */
  #continue(run: DrainRun): void {
    this.#launch(new DrainRun(run.order, this.#host.parts, this.#host.context, this.#hooks, run))
  }

  #launch(run: DrainRun, from: DrainPhase = run.phase): void {
    this.#run = run
    this.#held = null
    this.#running = run.run(from).then(async (outcome) => {
      if (outcome === 'completed') await this.#completed(run)
      else if (outcome === 'deadline_resume') this.#resumeAfterDeadline(run)
      return outcome
    })
  }

  async #completed(run: DrainRun): Promise<void> {
    const { drainId, mode, source, reason } = run.order
    const { log, emit } = this.#host.context
    this.#run = null
    this.#held = { drainId, reason, startedAt: run.startedAt, run }
    if (mode === 'hold') this.#host.setState('drained', reason)
    if (mode === 'exit' && source === 'operator') {
      this.#exiting = true
      // Done as ordered: a node that is started again after that is meant to serve.
      await this.#host.intent.write({}).catch((error: unknown) => {
        run.warnings.push('the drain wish could not be cleared; the node will start drained')
        log.error({ err: error }, 'the drain wish could not be cleared')
      })
    }
    emit('drain.completed', { drainId, scope: 'node', warnings: run.warnings, phases: run.records })
    const facts = {
      drainId,
      phasesMs: Object.fromEntries(run.records.map((record) => [record.phase, record.actualMs])),
    }
    if (run.warnings.length === 0) log.info(facts, 'drain complete')
    else log.warn(facts, `drain complete with warnings: ${run.warnings.join('; ')}`)
    if (mode === 'exit' && source === 'operator') this.#host.exit?.()
  }

  /** The order said: at the deadline, serve again. It runs behind the verbs, so that a resume in between wins. */
  #resumeAfterDeadline(run: DrainRun): void {
    const reason = `the deadline of ${run.order.budgets.connectionsMs / 1000} s passed`
    this.#turn
      .run(async () => {
        if (this.#run !== run || this.ending) return
        try {
          await this.#restore(reason)
          this.#aborted(run, reason)
        } catch (error) {
          // It cannot serve, so it must not stay half-way either: the drain goes on and waits for what is left.
          this.#host.context.log.error(
            { err: error },
            'the node could not resume at the deadline; its drain goes on',
          )
          run.warnings.push('the node could not resume at the deadline')
          this.#launch(
            new DrainRun(
              { ...run.order, onDeadline: 'wait' },
              this.#host.parts,
              this.#host.context,
              this.#hooks,
              run,
            ),
          )
        }
      })
      .catch((error: unknown) =>
        this.#host.context.log.error({ err: error }, 'resume at the deadline failed'),
      )
  }

  #aborted(run: DrainRun, reason: string): void {
    const { drainId } = run.order
    this.#host.context.emit('drain.aborted', { drainId, scope: 'node', reason, end: 'serving' })
    this.#host.context.log.info({ drainId }, `drain aborted: ${reason}`)
  }

  /** Binds what was unbound, all or nothing, clears the wish, and serves. */
  async #restore(reason: string): Promise<void> {
    const { parts, intent } = this.#host
    const bound: ServingPart[] = []
    // Before the ports are there: a host that dials at once must not be sent away by a cordon that is over.
    parts.relay?.setCordon(false)
    try {
      for (const part of parts.serving) {
        await this.#host.bind(part)
        bound.push(part)
      }
      await intent.write({})
    } catch (error) {
      parts.relay?.setCordon(true)
      for (const part of bound) {
        part.setReadiness({ ready: false, reason: 'draining' })
        await part.stopAccepting()
        if (this.#held !== null && (part as unknown) === parts.relay) await parts.relay?.unbind()
      }
      throw error
    }
    this.#run = null
    this.#held = null
    parts.push?.refuse(false)
    for (const part of parts.serving) part.setReadiness({ ready: true })
    this.#host.setState('serving', reason)
  }
}
