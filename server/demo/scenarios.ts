import type { Scenario } from '../contract/answers/demo.ts'
import { SCENARIOS, type ScenarioName } from '../contract/demo.ts'
import { AppError } from '../contract/errors.ts'
import type { Log } from '../observe/log.ts'

/** What scenarios can do to the fleet. */
export interface ScenarioLevers {
  stick(node: string, on: boolean): Promise<void>
  kill(node: string): Promise<void>
  revive(node: string): Promise<void>
}

interface Play {
  title: string
  does(node: string): string
  /** Node it happens to unless another is named. */
  node: string
  /** Ends by itself after this. */
  endsAfterMs: number
  begin(levers: ScenarioLevers, node: string): Promise<void>
  end(levers: ScenarioLevers, node: string): Promise<void>
}

const PLAYS: Record<ScenarioName, Play> = {
  'push-stuck': {
    title: 'Six silent hours',
    does: (node) =>
      `The push endpoint of ${node} sends GOAWAY, then accepts new sessions, answers SETTINGS and PING, and answers no push.`,
    node: 'fra-1',
    endsAfterMs: 600_000,
    begin: (levers, node) => levers.stick(node, true),
    end: (levers, node) => levers.stick(node, false),
  },
  'kill-node': {
    title: 'A node dies',
    does: (node) => `The thread of ${node} is ended without a drain; it starts again when the scenario ends.`,
    node: 'iad-2',
    endsAfterMs: 60_000,
    begin: (levers, node) => levers.kill(node),
    end: (levers, node) => levers.revive(node),
  },
}

interface Running {
  node: string
  startedAt: string
  timer: NodeJS.Timeout
}

/** Game-day scenarios of the demo fleet. Nothing of them survives a restart. */
export class Scenarios {
  readonly #levers: ScenarioLevers
  readonly #nodes: () => string[]
  readonly #log: Log
  readonly #running = new Map<ScenarioName, Running>()

  constructor(levers: ScenarioLevers, nodes: () => string[], log: Log) {
    this.#levers = levers
    this.#nodes = nodes
    this.#log = log
  }

  list(): Scenario[] {
    return SCENARIOS.map((name) => this.#describe(name))
  }

  async start(name: string, node?: string): Promise<Scenario> {
    const known = nameOf(name)
    const play = PLAYS[known]
    const nodes = this.#nodes()
    const target = node ?? (nodes.includes(play.node) ? play.node : (nodes.at(-1) ?? play.node))
    if (!nodes.includes(target)) {
      throw new AppError(
        'ERR_NOT_FOUND',
        `The demo fleet has no node "${target.slice(0, 64)}"; it has ${nodes.join(', ')}`,
        {
          node: target.slice(0, 64),
        },
      )
    }
    const running = this.#running.get(known)
    if (running) {
      if (node === undefined || running.node === node) return this.#describe(known)
      throw new AppError(
        'ERR_CONFLICT',
        `${known} runs on ${running.node} since ${running.startedAt}; end it first`,
        {
          node: running.node,
          since: running.startedAt,
        },
      )
    }
    const timer = setTimeout(() => {
      this.end(known).catch((error: unknown) =>
        this.#log.error({ err: error }, `scenario ${known} could not end`),
      )
    }, play.endsAfterMs)
    this.#running.set(known, { node: target, startedAt: new Date().toISOString(), timer })
    try {
      await play.begin(this.#levers, target)
    } catch (error) {
      clearTimeout(timer)
      this.#running.delete(known)
      throw error
    }
    this.#log.info({ scenario: known, node: target }, play.does(target))
    return this.#describe(known)
  }

  async end(name: string): Promise<Scenario> {
    const known = nameOf(name)
    const running = this.#running.get(known)
    if (running) {
      clearTimeout(running.timer)
      this.#running.delete(known)
      await PLAYS[known].end(this.#levers, running.node)
      this.#log.info({ scenario: known, node: running.node }, `scenario ${known} has ended`)
    }
    return this.#describe(known)
  }

  /** The fleet stops: nothing ends by itself any more. */
  stop(): void {
    for (const { timer } of this.#running.values()) clearTimeout(timer)
    this.#running.clear()
  }

  #describe(name: ScenarioName): Scenario {
    const play = PLAYS[name]
    const running = this.#running.get(name)
    return {
      name,
      title: play.title,
      does: play.does(running?.node ?? play.node),
      running: running !== undefined,
      startedAt: running?.startedAt ?? null,
      node: running?.node ?? null,
    }
  }
}

const nameOf = (name: string): ScenarioName => {
  const known = SCENARIOS.find((candidate) => candidate === name)
  if (known === undefined) {
    throw new AppError(
      'ERR_NOT_FOUND',
      `There is no scenario "${name.slice(0, 64)}"; there are ${SCENARIOS.join(' and ')}`,
      {
        scenario: name.slice(0, 64),
      },
    )
  }
  return known
}
