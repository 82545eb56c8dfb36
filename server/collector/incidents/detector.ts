import type { Drain, FleetEvent, Health } from '../../contract/index.ts'
import type { Fleet } from '../fleet.ts'
import type { Announced } from '../outages.ts'
import type { IncidentBook } from './book.ts'
import { nodeDown } from './node-down.ts'
import { type PushTrack, pushStuck, trackPush } from './push-stuck.ts'
import { regionUnreachable } from './region-unreachable.ts'
import type { DetectThresholds } from './signal-rule.ts'
import { type TunnelLoss, tunnelStorm } from './tunnel-storm.ts'

const LOSSES_KEPT_MS = 10 * 60_000
const MAX_LOSSES = 10_000

/** Collects what the rules look at, and puts each rule's verdict into the book once a second. */
export class Detector {
  readonly #fleet: Fleet
  readonly #book: IncidentBook
  readonly #thresholds: DetectThresholds
  readonly #activeDrains: () => Drain[]
  readonly #announced: () => Announced
  readonly #pushes = new Map<string, PushTrack>()
  #losses: TunnelLoss[] = []

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
    const lastOkAt = push.lastOkAt === null ? Number.NaN : Date.parse(push.lastOkAt)
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
      this.#lose({
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
    const known = this.#losses.some(
      (loss) => loss.hostId === data.hostId && Math.abs(loss.at - lostAt) < 5_000,
    )
    if (known) return
    this.#lose({
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
    this.#losses = this.#losses.filter((loss) => now - loss.at <= LOSSES_KEPT_MS).slice(-MAX_LOSSES)
    const announced = this.#announced()
    for (const region of new Set(this.#fleet.members().map((node) => node.region))) {
      const members = this.#fleet.nodesOf(region)
      if (members.length >= 2) await this.#region(region, announced, now)
      await this.#storm(region, now)
      for (const node of members) {
        await this.#node(node.id, announced, now)
        await this.#push(node.id, now)
      }
    }
    const drains = this.#activeDrains().map((drain) => ({
      id: drain.id,
      ...(drain.region === undefined ? {} : { region: drain.region }),
      nodes: drain.steps.map((step) => step.node),
    }))
    await this.#book.relateDrains(drains)
    await this.#book.settle(now)
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
      this.#losses,
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
                .filter((loss) => loss.region === region && !loss.explained && loss.at >= verdict.startedAt)
                .map((loss) => loss.node),
            ),
          ]
        : []
    const wasOpen = this.#book.signal('tunnel.storm', scope) !== null
    await this.#book.observe({ kind: 'tunnel.storm', scope, region, nodes }, verdict, now)
    // The losses of a storm that is over must not open the next one.
    if (wasOpen && verdict.state === 'closed') {
      this.#losses = this.#losses.filter((loss) => loss.region !== region)
    }
  }

  async #node(id: string, announced: Announced, now: number): Promise<void> {
    const node = this.#fleet.require(id)
    const scope = `node:${id}`
    const verdict = nodeDown({
      node: id,
      region: node.region,
      state: node.judgement.state,
      downSince: announced.nodes.get(id) ?? null,
      regionUnreachable: announced.regions.has(node.region),
      explained: this.#fleet.away(id) !== null || this.#fleet.intent(id) === 'maintenance',
      othersUp: this.#fleet
        .nodesOf(node.region)
        .filter(
          (other) =>
            other.id !== id && (other.judgement.state === 'up' || other.judgement.state === 'degraded'),
        ).length,
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

  #lose(loss: TunnelLoss): void {
    this.#losses.push(loss)
    if (this.#losses.length > MAX_LOSSES) this.#losses = this.#losses.slice(-MAX_LOSSES / 2)
  }
}

const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null)
