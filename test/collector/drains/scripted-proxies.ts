import type { Asked, DrainVerbs, Observation } from '../../../server/collector/adapters/adapter.ts'
import type { Facts } from '../../../server/collector/adapters/facts.ts'
import { RunNames } from '../../../server/collector/adapters/run-names.ts'
import type { Standing } from '../../../server/collector/drains/standing.ts'
import type { Node } from '../../../server/contract/fleet.ts'
import { ScriptedFleet, type ScriptedNode } from './scripted-fleet.ts'

/** What is scripted of one program beside what every node has. */
interface Program {
  /** The next so many wishes are refused. */
  refuses: number
  connections: number
  accepted: number
  /** By the fleet's clock, ms. */
  startedAt: number
  /** Told to let go of its listeners, which cannot be undone. */
  isExiting: boolean
  /** As this process of the collector names its run; null until it is seen. */
  epoch: string | null
}

/** Kinds whose traffic is counted; `http` is a page, of which nothing is. Those of `STATELESS` are taken out by somebody else's balancer. */
const KINDS: readonly Node['kind'][] = ['haproxy', 'nginx', 'envoy', 'haproxy']
const STATELESS: readonly Node['kind'][] = ['nginx', 'http']

/**
 * Other programs than ours, as adapters show them: HAProxies and an Envoy that say whether they serve, and an nginx and a page that go on
 * answering. None has a drain of its own, none names its runs, and none counts tunnels.
 */
export class ScriptedProxies extends ScriptedFleet {
  override proof = 'counted' as const
  /** As the desk says it, since a real fleet shows those without states by their drains. */
  standing: (id: string) => Standing | null = () => null
  /** Somebody ends a process that was told to let go of its listeners as soon as nobody is connected. */
  endsEmpty = false
  /** Ms that only ascend, as the programs measure them. */
  clock: () => number = () => performance.now()
  readonly #programs = new Map<string, Program>()
  #names = new RunNames()

  constructor(regions: readonly string[] = ['fra', 'iad']) {
    super(regions)
    this.hosts = []
    this.scripted.forEach((node, index) => {
      node.kind = KINDS[index % KINDS.length] ?? 'haproxy'
    })
  }

  program(id: string): Program {
    let program = this.#programs.get(id)
    if (program === undefined) {
      const startedAt = this.clock() - 3_600_000
      program = { refuses: 0, connections: 3, accepted: 40, startedAt, isExiting: false, epoch: null }
      this.#programs.set(id, program)
    }
    return program
  }

  /** A new process of the collector gives every run another name. */
  renameRuns(): void {
    this.#names = new RunNames()
    for (const program of this.#programs.values()) program.epoch = null
  }

  override stateOf(id: string): Node['state'] {
    const { kind, answers, silent } = this.get(id)
    const set = this.states.get(id)
    if (set !== undefined) return set
    const isStateless = STATELESS.includes(kind)
    return answers && !silent && isStateless ? (this.standing(id)?.state ?? 'up') : super.stateOf(id)
  }

  override start(id: string): void {
    const node = this.get(id)
    const { state, drain } = node.health
    // A balancer remembers whom it left out, whatever becomes of them; a proxy forgets with its process.
    super.start(id)
    if (STATELESS.includes(node.kind)) node.health = { ...node.health, state, drain }
    const program = this.program(id)
    Object.assign(program, {
      connections: 0,
      accepted: 0,
      startedAt: this.clock(),
      isExiting: false,
      epoch: null,
    })
  }

  override known(id: string) {
    const { answers, silent } = this.get(id)
    const outcome = answers && !silent ? 'ok' : 'refused'
    return { facts: this.#facts(id), at: Date.now() + 1e12, outcome }
  }

  override drainProof() {
    return this.proof
  }

  override drainVerbs(id: string): DrainVerbs | null {
    const node = this.get(id)
    return {
      verb: 'scripted',
      ...(node.kind === 'envoy' ? { exits: true } : {}),
      drain: async ({ drainId, mode }) =>
        this.#ask(node, () => {
          node.health.drain.drainId = drainId
          node.health.state = 'drained'
          if (mode === 'exit') this.program(id).isExiting = true
          this.onDrain(id)
        }),
      resume: async ({ isEnding }) => {
        if (isEnding === true) return { kind: 'refused', why: `${id} has to be started again` }
        return this.#ask(node, () => {
          node.health.drain.drainId = null
          node.health.state = 'serving'
        })
      },
      ready: async ({ isEnding }) =>
        isEnding === true ? { kind: 'refused', why: `${id} has to be started again` } : { kind: 'accepted' },
      observe: async () => this.#look(node),
    }
  }

  #look(node: ScriptedNode): Observation {
    if (!node.answers || node.silent) return { facts: null, silent: true, refused: !node.silent }
    const program = this.program(node.id)
    if (this.serves(node.id)) {
      program.accepted += 1
      program.connections = Math.max(program.connections, 3)
    } else if (program.connections > 0) program.connections -= 1
    else if (program.isExiting && this.endsEmpty) {
      node.exited = true
      this.kill(node.id)
    }
    return { facts: this.#facts(node.id) }
  }

  /** A balancer takes wishes whether its server answers or not. */
  #ask(node: ScriptedNode, deed: () => void): Asked {
    const { id, kind, answers, silent } = node
    const program = this.program(id)
    if (!STATELESS.includes(kind) && (!answers || silent))
      return { kind: 'unheard', why: `${id} does not answer` }
    if (program.refuses > 0) {
      program.refuses -= 1
      return { kind: 'refused', why: `${id} says no` }
    }
    deed()
    if (node.loseAnswers === 0) return { kind: 'accepted' }
    node.loseAnswers -= 1
    return { kind: 'unheard', why: `the answer of ${id} was lost` }
  }

  #facts(id: string): Facts {
    const { kind, health } = this.get(id)
    const program = this.program(id)
    program.epoch ??= this.#names.next(0)
    const { connections, accepted, startedAt, epoch } = program
    const isCounted = kind !== 'http'
    const isOut = health.state === 'drained'
    return {
      ok: true,
      problems: [],
      ...(STATELESS.includes(kind)
        ? {}
        : {
            state: !isOut
              ? ('serving' as const)
              : connections === 0
                ? ('drained' as const)
                : ('draining' as const),
          }),
      version: null,
      epoch,
      uptimeMs: kind === 'haproxy' || kind === 'envoy' ? this.clock() - startedAt : null,
      // As an nginx is read: less our own polls.
      ...(kind === 'nginx' ? { isCountedHere: true as const } : {}),
      newestSeq: null,
      gauges: isCounted ? { connections } : {},
      counters: isCounted ? { connections_accepted: { all: accepted } } : {},
      listeners: [],
      lastDeliveryAt: null,
      drain: null,
    }
  }
}
