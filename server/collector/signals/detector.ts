import type { Drain, FleetEvent, Health, SignalKind } from '../../contract/index.ts'
import type { Fleet, FleetNode } from '../fleet/fleet.ts'
import type { IncidentBook } from '../incidents/book.ts'
import type { Announced } from '../watch/outages.ts'
import { TunnelLosses } from './losses.ts'
import { nodeDown } from './node-down.ts'
import { type PushTrack, pushStuck, trackPush } from './push-stuck.ts'
import { regionUnreachable } from './region-unreachable.ts'
import type { DetectThresholds } from './rule.ts'
import { tunnelStorm } from './tunnel-storm.ts'

/** Collects what the rules look at, and puts each rule's verdict into the book once a second. */
export class Detector {
  readonly #fleet: Fleet
  readonly #book: IncidentBook
  readonly #thresholds: DetectThresholds
  readonly #activeDrains: () => Drain[]
  readonly #announced: () => Announced
  readonly #pushes = new Map<string, PushTrack>()
  readonly #losses = new TunnelLosses()

  constructor(options: {
    fleet: Fleet
    book: IncidentBook
    thresholds: DetectThresholds
    activeDrains: () => Drain[]
    announced: () => Announced
  }) {
    this.#fleet = options.fleet
    this.#book = options.book
    this.#thresholds = options.thresholds
    this.#activeDrains = options.activeDrains
    this.#announced = options.announced
  }

  /** Takes in a good document. */
  measured(node: string, document: Health, at: number): void {
    const push = document.push
    if (!push) {
      this.#pushes.delete(node)
      return
    }
    const saidAt = push.lastOkAt === null ? Number.NaN : Date.parse(push.lastOkAt)
    const lastOkAt = this.#fleet.member(node)?.clock.toOurs(saidAt) ?? saidAt
    const track = trackPush(
      this.#pushes.get(node) ?? null,
      {
        at,
        epoch: document.epoch,
        received: Math.max(0, push.received - push.noTokens),
        delivered: push.sendOk,
        lastOkAt: Number.isFinite(lastOkAt) ? lastOkAt : null,
      },
      this.#thresholds['push.stuck'],
      this.#book.signal('push.stuck', `node:${node}`),
    )
    this.#pushes.set(node, track)
  }

  /** Takes in a stored event. */
  happened(event: FleetEvent): void {
    const { data, node, region } = event
    if (node === null || region === null || typeof data.hostId !== 'string') return
    const at = Date.parse(event.at)
    if (event.type === 'tunnel.lost') {
      this.#losses.add({
        hostId: data.hostId,
        node,
        region,
        at,
        code: numberOrNull(data.code),
        explained: this.#drains(node),
      })
    }
    if (event.type !== 'tunnel.registered') return
    // A relay that died told nobody of its losses; the host that comes back elsewhere does.
    const previous = typeof data.previousNode === 'string' ? this.#fleet.member(data.previousNode) : null
    const gapMs = numberOrNull(data.gapMs)
    const code = numberOrNull(data.previousCloseCode)
    if (!previous || gapMs === null || gapMs === 0 || code === null) return
    const lostAt = at - gapMs
    if (this.#losses.knows(data.hostId, lostAt)) return
    this.#losses.add({
      hostId: data.hostId,
      node: previous.id,
      region: previous.region,
      at: lostAt,
      code,
      explained: this.#drains(previous.id),
    })
  }

  /** One look at everything. */
  async evaluate(now: number): Promise<void> {
    this.#losses.prune(now)
    const announced = this.#announced()
    const faults: unknown[] = []
    // What cannot be written of one condition must not hide all others.
    const look = async (work: Promise<void>): Promise<void> => {
      await work.catch((error: unknown) => void faults.push(error))
    }
    for (const region of new Set(this.#fleet.members().map((node) => node.region))) {
      const members = this.#fleet.nodesOf(region)
      const serving = members.filter(isServing).length
      if (members.length >= 2) await look(this.#region(region, announced, now))
      await look(this.#storm(region, now))
      for (const node of members) {
        await look(this.#node(node.id, announced, serving - (isServing(node) ? 1 : 0), now))
        await look(this.#push(node.id, now))
      }
    }
    await look(this.#closeLeft(now))
    const drains = this.#activeDrains().map((drain) => ({
      id: drain.id,
      ...(drain.region === undefined ? {} : { region: drain.region }),
      nodes: drain.steps.map((step) => step.node),
    }))
    await look(this.#book.relateDrains(drains))
    await look(this.#book.settle(now))
    if (faults.length > 0) throw faults[0]
  }

  /** Nobody looks at what left the configuration any more: what was open of it would be open for ever. */
  async #closeLeft(now: number): Promise<void> {
    for (const incident of this.#book.open()) {
      for (const { kind, scope, closedAt } of incident.signals) {
        const [of, id = ''] = scope.split(/:(.*)/s)
        const members = of === 'node' ? this.#fleet.member(id) : this.#fleet.nodesOf(id)[0]
        if (closedAt !== undefined || members || (of !== 'node' && of !== 'region')) continue
        await this.#book.observe(
          {
            kind: kind as SignalKind,
            scope,
            region: incident.regions[0] ?? '',
            nodes: of === 'node' ? [id] : incident.nodes,
          },
          { state: 'closed', because: `${id} is not in the configuration any more` },
          now,
        )
      }
    }
  }

  async #push(id: string, now: number): Promise<void> {
    const node = this.#fleet.require(id)
    const scope = `node:${id}`
    const verdict = pushStuck(
      this.#pushes.get(id) ?? null,
      {
        node: id,
        drained: node.judgement.state === 'drained',
        openedAt: this.#book.signal('push.stuck', scope)?.openedAt ?? null,
      },
      this.#thresholds['push.stuck'],
    )
    await this.#book.observe({ kind: 'push.stuck', scope, region: node.region, nodes: [id] }, verdict, now)
  }

  async #storm(region: string, now: number): Promise<void> {
    const scope = `region:${region}`
    const verdict = tunnelStorm(
      this.#losses.of(region),
      {
        region,
        registered: this.#fleet.hosts.registeredHosts(region),
        now,
        openSince: this.#book.signal('tunnel.storm', scope)?.startedAt ?? null,
      },
      this.#thresholds['tunnel.storm'],
    )
    const nodes =
      verdict.state === 'open'
        ? [
            ...new Set(
              this.#losses
                .of(region)
                .filter((loss) => !loss.explained && loss.at >= verdict.startedAt)
                .map((loss) => loss.node),
            ),
          ]
        : []
    const wasOpen = this.#book.signal('tunnel.storm', scope) !== null
    await this.#book.observe({ kind: 'tunnel.storm', scope, region, nodes }, verdict, now)
    // The losses of a storm that is over must not open the next one.
    if (wasOpen && verdict.state === 'closed') this.#losses.forget(region)
  }

  async #node(id: string, announced: Announced, othersUp: number, now: number): Promise<void> {
    const node = this.#fleet.require(id)
    const scope = `node:${id}`
    const verdict = nodeDown({
      node: id,
      region: node.region,
      state: node.judgement.state,
      downSince: announced.nodes.get(id) ?? null,
      regionUnreachable: announced.regions.has(node.region),
      explained: this.#fleet.away(id) !== null || this.#fleet.intent(id) === 'maintenance',
      othersUp,
      reason: node.judgement.problems[0] ?? 'no answer',
      open: this.#book.signal('node.down', scope) !== null,
      now,
    })
    await this.#book.observe({ kind: 'node.down', scope, region: node.region, nodes: [id] }, verdict, now)
  }

  async #region(region: string, announced: Announced, now: number): Promise<void> {
    const members = this.#fleet.nodesOf(region)
    const nodes = members.map((node) => node.id)
    const scope = `region:${region}`
    const verdict = regionUnreachable({
      region,
      nodes,
      unreachableSince: announced.regions.get(region) ?? null,
      // Each of them was taken out: for a restart while it is held, or by an exit.
      explained: members.every(
        (node) => this.#fleet.away(node.id) !== null || this.#fleet.intent(node.id) === 'maintenance',
      ),
      anyAlive: members.some((node) => node.judgement.state !== 'down' && node.judgement.state !== 'unknown'),
      open: this.#book.signal('region.unreachable', scope) !== null,
      now,
    })
    await this.#book.observe({ kind: 'region.unreachable', scope, region, nodes }, verdict, now)
  }

  #drains(node: string): boolean {
    return this.#activeDrains().some(
      (drain) => drain.node === node || drain.steps.some((step) => step.node === node),
    )
  }
}

const isServing = (node: FleetNode): boolean =>
  node.judgement.state === 'up' || node.judgement.state === 'degraded'

const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null)
