import packageJson from '../../../package.json' with { type: 'json' }
import type { DrainBudget } from '../../contract/drain-budget.ts'
import { AppError } from '../../contract/errors.ts'
import type { Health, Listener } from '../../contract/health.ts'
import type { NodeCordonRequest, NodeDrainRequest } from '../../contract/node-api.ts'
import type { NodeConfig } from '../../contract/node-config.ts'
import type { RouteConfig } from '../../contract/route-config.ts'
import type { NodeState } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import { within } from '../../time/deadline.ts'
import { ControlServer } from '../control/server.ts'
import { IntentFile } from '../drain/intent.ts'
import { NodeDrain } from '../drain/node-drain.ts'
import { createEventLog, type EventLog } from '../events/event-log.ts'
import type { DrainStatus } from '../part/drain-parts.ts'
import type { TidegateNode } from '../part/node-face.ts'
import type { NodeParts } from '../part/node-parts.ts'
import type { PartContext, Readiness, ServingPart } from '../part/part.ts'
import { fitHealth } from './node-health.ts'
import { NodeProblems } from './node-problems.ts'
import { ProcessFigures } from './process-figures.ts'

const REVIEW_EVERY_MS = 1_000
/** `close` without a drain gives each part this long before it is destroyed. */
const CLOSE_CEILING_MS = 10_000

export interface BuildOptions {
  log: Log
  budget: DrainBudget
  /** Folder of the drain wish and the control token; without one the wish lives in memory. */
  dataDir?: string | undefined
  makeParts(context: PartContext, state: () => NodeState): NodeParts
  /** Called once after a drain in mode `exit`. Absent: `exit` is refused with `ERR_UNSUPPORTED`. */
  exit?: (() => void) | undefined
}

export const VERSION: string = packageJson.version

class BuiltNode implements TidegateNode {
  readonly id: string
  readonly region: string
  readonly events: EventLog
  readonly parts: NodeParts
  readonly #config: NodeConfig
  readonly #options: BuildOptions
  readonly #context: PartContext
  readonly #log: Log
  readonly #serving: ServingPart[]
  readonly #bound = new Set<ServingPart>()
  readonly #problems: NodeProblems
  readonly #figures = new ProcessFigures()
  readonly #startedAt = new Date().toISOString()
  readonly #startedMs = performance.now()
  #state: NodeState = 'starting'
  #drain: NodeDrain | null = null
  #control: ControlServer | null = null
  #review: NodeJS.Timeout | undefined
  #starting: Promise<void> | null = null
  #closing: Promise<void> | null = null

  constructor(config: NodeConfig, options: BuildOptions) {
    this.id = config.id
    this.region = config.region
    this.#config = config
    this.#options = options
    this.#log = options.log.child({ node: config.id })
    this.events = createEventLog({ node: config.id, region: config.region }, this.#log)
    this.#context = {
      node: config.id,
      region: config.region,
      log: this.#log,
      emit: (type, data) => this.events.emit(type, data),
    }
    this.#problems = new NodeProblems(this.#context)
    this.parts = options.makeParts(this.#context, () => this.#state)
    this.#serving = [this.parts.proxy, this.parts.relay].filter((part) => part !== undefined)
  }

  get control(): { url: string; token: string } | null {
    return this.#control?.address ?? null
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.destroy()
      throw error
    })
    return this.#starting
  }

  async #start(): Promise<void> {
    const { dataDir, budget, exit } = this.#options
    const intent = await IntentFile.open(dataDir, this.#log)
    const { drain: wish, cordon } = intent.current
    const drain = new NodeDrain({
      context: this.#context,
      budget,
      intent,
      parts: { serving: this.#serving, relay: this.parts.relay, push: this.parts.push },
      state: () => this.#state,
      setState: (state, reason) => this.#setState(state, reason),
      bind: (part) => this.#bind(part),
      exit,
    })
    this.#drain = drain
    if (this.#config.control !== undefined) {
      this.#control = await ControlServer.create(this, this.#config.control, { dataDir, log: this.#log })
      // First up, last down: watchers see the node start and end.
      await this.#control.start()
    }
    this.events.emit('node.started', { version: VERSION, startedDrained: wish !== undefined })
    for (const part of this.#serving) part.setReadiness({ ready: false, reason: 'starting' })
    await this.parts.push?.start()
    if (wish !== undefined) {
      // Checked before any bind: a drained node must not take one connection on its way up.
      drain.startHeld(wish, wish.acceptedAt)
      this.#log.warn({ drainId: wish.drainId }, 'this node starts drained, as wished; resume it to serve')
      this.#setState('drained', wish.reason)
    } else {
      if (cordon !== undefined) this.parts.relay?.setCordon(true)
      for (const part of this.#serving) await this.#bind(part)
      for (const part of this.#serving) part.setReadiness({ ready: true })
      this.#setState('serving', null)
    }
    this.#review = setInterval(() => this.#reviewProblems(), REVIEW_EVERY_MS).unref()
  }

  async #bind(part: ServingPart): Promise<void> {
    if (this.#bound.has(part)) {
      await part.resume()
      return
    }
    await part.start()
    this.#bound.add(part)
  }

  #setState(state: NodeState, reason: string | null): void {
    const from = this.#state
    if (from === state) return
    this.#state = state
    this.#context.emit('node.state_changed', { from, to: state, reason })
  }

  #started(): NodeDrain {
    if (this.#drain === null)
      throw new AppError('ERR_STARTING', `Node ${this.id} has not started`, { node: this.id })
    return this.#drain
  }

  async beginDrain(request: NodeDrainRequest): Promise<DrainStatus> {
    return await this.#started().begin(request)
  }

  async drain(request: NodeDrainRequest): Promise<DrainStatus> {
    const drain = this.#started()
    await drain.begin(request)
    await drain.settled()
    return drain.status()
  }

  async cordon(request: NodeCordonRequest): Promise<DrainStatus> {
    return await this.#started().cordon(request)
  }

  async resume(): Promise<DrainStatus> {
    return await this.#started().resume()
  }

  async drainForSignal(signal: string): Promise<void> {
    // A half-made start would bind behind the drain's back; it is bounded, and its caller gets its error.
    await this.#starting?.catch(() => undefined)
    if (this.#drain !== null && this.#closing === null) await this.#drain.signal(signal)
    await this.close()
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish(async () => {
      const parts = [this.parts.push, ...this.#serving].filter((part) => part !== undefined)
      await Promise.all(
        parts.map(async (part) => {
          await within(CLOSE_CEILING_MS, part.close(), { late: () => part.destroy() })
        }),
      )
    })
    return this.#closing
  }

  async destroy(): Promise<void> {
    const parts = [this.parts.push, ...this.#serving].filter((part) => part !== undefined)
    const destroyed = Promise.all(parts.map(async (part) => part.destroy()))
    this.#closing ??= this.#finish(async () => {
      await destroyed
    })
    await destroyed
    await this.#closing
  }

  async #finish(endParts: () => Promise<void>): Promise<void> {
    clearInterval(this.#review)
    this.#setState('stopping', null)
    try {
      await endParts()
    } catch (error) {
      this.#log.error({ err: error }, 'a part could not be closed')
    }
    this.parts.dispose?.()
    this.#figures.close()
    await this.#control?.close()
  }

  #reviewProblems(): void {
    const { proxy, push, relay } = this.parts
    const stats = push?.stats()
    this.#problems.review(
      {
        push: stats === undefined ? undefined : { ...stats, pending: push?.pending() ?? 0 },
        tokens: push?.tokenProblem,
        directory: relay?.stats().directory,
        proxy: proxy?.problems?.(),
      },
      performance.now(),
    )
  }

  readiness(): Readiness {
    if (this.#state !== 'serving') return { ready: false, reason: this.#state }
    return { ready: true }
  }

  drainStatus(): DrainStatus {
    return this.#started().status()
  }

  listeners(): Listener[] {
    return this.#serving.flatMap((part) => part.listeners())
  }

  health(): Health {
    this.#reviewProblems()
    const { proxy, relay, push } = this.parts
    const { budget } = this.#options
    const problems = this.#problems.sentences
    return fitHealth({
      ok: problems.length === 0,
      ...(problems.length === 0 ? {} : { problems }),
      state: this.#state,
      region: this.region,
      node: this.id,
      version: VERSION,
      epoch: this.events.epoch,
      startedAt: this.#startedAt,
      uptimeSeconds: Math.floor((performance.now() - this.#startedMs) / 1000),
      seq: this.events.seq,
      listeners: this.listeners(),
      ...(proxy === undefined ? {} : { proxy: proxy.stats() }),
      ...(relay === undefined ? {} : { relay: relay.stats() }),
      ...(push === undefined ? {} : { push: push.stats() }),
      drain: this.#drain?.health() ?? {
        drainId: null,
        phase: null,
        startedAt: null,
        reason: null,
        budgetSeconds: {
          preDrain: budget.preDrainSeconds,
          http: budget.httpSeconds,
          tunnels: budget.tunnelsSeconds,
          margin: budget.marginSeconds,
        },
        ceilingSeconds: budget.ceilingSeconds,
        fits: budget.fits,
        remaining: { connections: 0, requests: 0, tunnels: 0, pushes: 0 },
      },
      process: this.#figures.read(),
    })
  }

  async setRoutes(routes: RouteConfig[]): Promise<void> {
    const { proxy } = this.parts
    if (proxy === undefined)
      throw new AppError('ERR_UNSUPPORTED', `Node ${this.id} has no proxy`, { node: this.id })
    await proxy.setRoutes(routes)
  }
}

/** Builds a node over the parts that `makeParts` gives; `createNode` is this with the real proxy, relay and push client. */
export const buildNode = (config: NodeConfig, options: BuildOptions): TidegateNode =>
  new BuiltNode(config, options)
