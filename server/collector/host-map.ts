import { closeMeaning, type FleetEvent, type NodeTunnel, type Tunnel } from '../contract/index.ts'

const MAX_HOSTS = 200_000

interface HostEntry {
  tunnel: Tunnel
  /** Number of the registration, ascending within one directory; null where the relay gave none. */
  fence: number | null
  sinceMs: number
}

/**
 * Which host is where: from events as they come, put right by each relay's own list. A host is lost only when it is
 * registered nowhere else.
 */
export class HostMap {
  readonly #hosts = new Map<string, HostEntry>()
  readonly #dirty = new Set<string>()
  /** Nodes whose own list has been read: of these the map knows every host. */
  readonly #listed = new Set<string>()
  /** Hosts that were not taken in because of the ceiling. */
  overflowed = 0

  /** What was known when the collector stopped. Presence must be seen again before it is claimed. */
  load(rows: readonly Tunnel[]): void {
    for (const row of rows.slice(0, MAX_HOSTS)) {
      this.#hosts.set(row.hostId, {
        tunnel: { ...row, presence: { ...row.presence, relay: false } },
        fence: null,
        sinceMs: Date.parse(row.since),
      })
    }
  }

  list(): Tunnel[] {
    return [...this.#hosts.values()].map((entry) => entry.tunnel)
  }

  get(hostId: string): Tunnel | null {
    return this.#hosts.get(hostId)?.tunnel ?? null
  }

  registeredOn(node: string): number {
    let count = 0
    for (const { tunnel } of this.#hosts.values())
      if (tunnel.node === node && tunnel.state === 'registered') count += 1
    return count
  }

  /** Whether the node's own list has been read, so that `registeredOn` is its whole count. */
  hasList(node: string): boolean {
    return this.#listed.has(node)
  }

  registeredHosts(region: string): string[] {
    return this.list()
      .filter((tunnel) => tunnel.region === region && tunnel.state === 'registered')
      .map((tunnel) => tunnel.hostId)
  }

  /** Rows that changed since the last call, to be saved. */
  takeDirty(): Tunnel[] {
    const rows = [...this.#dirty].flatMap((id) => this.#hosts.get(id)?.tunnel ?? [])
    this.#dirty.clear()
    return rows
  }

  /** Puts rows back that could not be saved. */
  giveBack(rows: readonly Tunnel[]): void {
    for (const row of rows) this.#dirty.add(row.hostId)
  }

  /** Takes in one stored event; answers whether anything changed. */
  apply(event: FleetEvent): boolean {
    const { node, region, data } = event
    if (node === null || region === null || typeof data.hostId !== 'string') return false
    if (event.type === 'tunnel.registered') return this.#registered(event, node, region, data.hostId)
    if (event.type === 'tunnel.lost') return this.#lost(event, node, data.hostId)
    return false
  }

  #registered(event: FleetEvent, node: string, region: string, hostId: string): boolean {
    const at = Date.parse(event.at)
    const known = this.#hosts.get(hostId)
    const fence = numberOrNull(event.data.fence)
    if (known && isOlder({ at, fence }, known)) return false
    const closeCode = numberOrNull(event.data.previousCloseCode) ?? known?.tunnel.lastCloseCode ?? null
    const moved = known !== undefined && known.tunnel.node !== node
    const reported = typeof event.data.previousNode === 'string' ? event.data.previousNode : null
    return this.#put(hostId, fence, at, {
      hostId,
      region,
      node,
      state: 'registered',
      since: event.at,
      lastGapMs: numberOrNull(event.data.gapMs) ?? known?.tunnel.lastGapMs ?? null,
      lastCloseCode: closeCode,
      lastCloseMeaning: closeMeaning(closeCode),
      previousNode: reported ?? (moved ? known.tunnel.node : (known?.tunnel.previousNode ?? null)),
      presence: { directory: node, relay: true, lastPongAt: event.at },
    })
  }

  #lost(event: FleetEvent, node: string, hostId: string): boolean {
    const known = this.#hosts.get(hostId)
    const at = Date.parse(event.at)
    const fence = numberOrNull(event.data.fence)
    // It moved in an announced drain and stood elsewhere before this tunnel ended: the other node tells where.
    if (typeof event.data.movedTo === 'string') return false
    if (fence !== null && known && known.fence !== null && fence < known.fence) return false
    // Registered elsewhere, or here again since: then this end is an old one.
    if (!known || known.tunnel.node !== node || known.tunnel.state === 'lost' || known.sinceMs > at)
      return false
    const code = numberOrNull(event.data.code)
    return this.#put(hostId, known.fence, at, {
      ...known.tunnel,
      state: 'lost',
      since: event.at,
      lastCloseCode: code,
      lastCloseMeaning: closeMeaning(code),
      presence: { ...known.tunnel.presence, directory: null, relay: false },
    })
  }

  /**
   * Puts the map right by a relay's own list.
   *
   * @param askedAt epoch ms when the list was asked for: what happened after that is newer than the list
   */
  reconcile(
    node: string,
    region: string,
    items: readonly NodeTunnel[],
    directory: Record<string, string> | undefined,
    askedAt: number,
  ): boolean {
    let changed = false
    this.#listed.add(node)
    const here = new Set<string>()
    for (const item of items) {
      here.add(item.hostId)
      const known = this.#hosts.get(item.hostId)
      const at = Date.parse(item.since)
      if (!Number.isFinite(at)) continue
      const owner = directory === undefined ? node : (directory[item.hostId] ?? null)
      const presence = { directory: owner, relay: true, lastPongAt: item.lastPongAt }
      if (known && known.tunnel.node === node && known.tunnel.state === 'registered') {
        const before = known.tunnel.presence
        if (before.directory !== owner || !before.relay || before.lastPongAt !== item.lastPongAt) {
          known.tunnel = { ...known.tunnel, presence }
          this.#dirty.add(item.hostId)
          changed ||= before.directory !== owner || !before.relay
        }
        continue
      }
      // A lost one that the relay holds is not lost; one that is registered elsewhere stays there unless this is newer.
      if (known?.tunnel.state === 'registered' && isOlder({ at, fence: item.fence }, known)) continue
      if (known && known.sinceMs > askedAt) continue
      const moved = known !== undefined && known.tunnel.node !== node
      changed =
        this.#put(item.hostId, item.fence, at, {
          hostId: item.hostId,
          region,
          node,
          state: 'registered',
          since: item.since,
          lastGapMs: item.gapMs ?? known?.tunnel.lastGapMs ?? null,
          lastCloseCode: known?.tunnel.lastCloseCode ?? null,
          lastCloseMeaning: known?.tunnel.lastCloseMeaning ?? null,
          previousNode: moved ? known.tunnel.node : (known?.tunnel.previousNode ?? null),
          presence,
        }) || changed
    }
    for (const [hostId, entry] of this.#hosts) {
      const { tunnel } = entry
      if (
        tunnel.node !== node ||
        tunnel.state !== 'registered' ||
        here.has(hostId) ||
        entry.sinceMs >= askedAt
      )
        continue
      const owner = directory?.[hostId]
      // It stands elsewhere already; that node's own event, which says how it came there, is on its way.
      if (owner !== undefined && owner !== node) continue
      changed =
        this.#put(hostId, entry.fence, askedAt, {
          ...tunnel,
          state: 'lost',
          since: new Date(askedAt).toISOString(),
          presence: { ...tunnel.presence, directory: directory?.[hostId] ?? null, relay: false },
        }) || changed
    }
    return changed
  }

  /** A node is down: what it held is lost unless it is registered elsewhere. */
  nodeDown(node: string, at: number): boolean {
    let changed = false
    for (const [hostId, entry] of this.#hosts) {
      if (entry.tunnel.node !== node || entry.tunnel.state !== 'registered') continue
      changed = true
      this.#put(hostId, entry.fence, at, {
        ...entry.tunnel,
        state: 'lost',
        since: new Date(at).toISOString(),
        presence: { ...entry.tunnel.presence, relay: false },
      })
    }
    return changed
  }

  #put(hostId: string, fence: number | null, sinceMs: number, tunnel: Tunnel): boolean {
    if (!this.#hosts.has(hostId) && this.#hosts.size >= MAX_HOSTS) {
      this.overflowed += 1
      return false
    }
    this.#hosts.set(hostId, { tunnel, fence, sinceMs })
    this.#dirty.add(hostId)
    return true
  }
}

const numberOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

/** Whether a registration is older than what is known. Fences of one directory ascend; else the times decide. */
const isOlder = (candidate: { at: number; fence: number | null }, known: HostEntry): boolean => {
  if (candidate.fence !== null && known.fence !== null && candidate.fence !== known.fence) {
    // A directory that began anew (a collector with embedded nodes restarted) counts from one again: a much later time wins.
    if (candidate.fence > known.fence) return false
    return candidate.at <= known.sinceMs
  }
  return candidate.at < known.sinceMs
}
