import { closeMeaning, type FleetEvent, type NodeTunnel, type Tunnel } from '../../contract/index.ts'

const MAX_HOSTS = 200_000
/** A host that was lost so long ago is nobody's any more. */
const FORGET_LOST_MS = 24 * 3_600_000
/** A claim that its present holder neither confirms nor denies is believed after so long: a half-open tunnel looks like that. */
const CLAIM_BELIEVED_MS = 60_000

/** Times of two nodes, put into our clock, are no better than this beside each other. */
const CLOCK_SLACK_MS = 2_000

interface HostEntry {
  tunnel: Tunnel
  /** Number of the registration, ascending within one directory; null where the relay gave none. */
  fence: number | null
  sinceMs: number
  /** When it was registered where it is, or was last. */
  heldSinceMs: number
  /** Another node says that it has the host, without proof, while this one holds it. */
  claim: Claim | null
  /** A node whose claim was refuted: its word alone is not enough any more. */
  doubted: string | null
}

interface Claim {
  fence: number | null
  sinceMs: number
  receivedMs: number
  tunnel: Tunnel
}

const NOBODY: ReadonlySet<string> = new Set()

/**
 * Which host is where: from events as they come, put right by each relay's own list. A host is lost only when it is
 * registered nowhere else. Who is registered where is kept by node and by region, so that no question walks all hosts.
 */
export class HostMap {
  readonly #hosts = new Map<string, HostEntry>()
  readonly #onNode = new Map<string, Set<string>>()
  readonly #inRegion = new Map<string, Set<string>>()
  /** Lost hosts in the order of their loss, as it was heard. */
  readonly #lostAt = new Map<string, number>()
  readonly #dirty = new Set<string>()
  readonly #gone = new Set<string>()
  /** Nodes whose own list has been read: of these the map knows every host. */
  readonly #listed = new Set<string>()
  readonly #maxHosts: number
  /** Hosts that were not taken in because of the ceiling. */
  overflowed = 0
  /** Lost hosts that were forgotten. */
  forgotten = 0

  constructor(maxHosts: number = MAX_HOSTS) {
    this.#maxHosts = maxHosts
  }

  get size(): number {
    return this.#hosts.size
  }

  /** What was known when the collector stopped. Presence must be seen again before it is claimed. */
  load(rows: readonly Tunnel[], now: number = Date.now()): void {
    const isOld = (row: Tunnel): boolean =>
      row.state === 'lost' && now - Date.parse(row.since) > FORGET_LOST_MS
    const kept: Tunnel[] = []
    for (const row of [...rows].sort((a, b) => rank(b) - rank(a))) {
      if (isOld(row) || kept.length >= this.#maxHosts) this.#gone.add(row.hostId)
      else kept.push(row)
    }
    // Oldest first: in the order in which they were lost.
    for (const row of kept.reverse()) {
      // A node's clock that was ahead once must not make it the newest forever.
      const sinceMs = Math.min(Date.parse(row.since), now)
      this.#set(row.hostId, {
        tunnel: { ...row, presence: { ...row.presence, relay: false } },
        fence: null,
        sinceMs,
        heldSinceMs: row.state === 'lost' ? 0 : sinceMs,
        claim: null,
        doubted: null,
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
    return this.#onNode.get(node)?.size ?? 0
  }

  /** Whether the node's own list has been read, so that `registeredOn` is its whole count. */
  hasList(node: string): boolean {
    return this.#listed.has(node)
  }

  registeredHosts(region: string): ReadonlySet<string> {
    return this.#inRegion.get(region) ?? NOBODY
  }

  /** Rows that changed since the last call, to be saved. */
  takeDirty(): Tunnel[] {
    const rows = [...this.#dirty].flatMap((id) => this.#hosts.get(id)?.tunnel ?? [])
    this.#dirty.clear()
    return rows
  }

  /** Puts rows back that could not be saved. */
  giveBack(rows: readonly Tunnel[]): void {
    for (const row of rows) if (this.#hosts.has(row.hostId)) this.#dirty.add(row.hostId)
  }

  /** Hosts that were forgotten since the last call, to be removed where they are saved. */
  takeGone(): string[] {
    const ids = [...this.#gone].filter((id) => !this.#hosts.has(id))
    this.#gone.clear()
    return ids
  }

  giveBackGone(hostIds: readonly string[]): void {
    for (const id of hostIds) this.#gone.add(id)
  }

  /** Forgets what was lost a day ago. Answers whether anything went. */
  forgetLost(now: number): boolean {
    const before = this.#hosts.size
    for (const [hostId, lostAt] of this.#lostAt) {
      if (now - lostAt <= FORGET_LOST_MS) break
      this.#forget(hostId)
      this.forgotten += 1
    }
    return this.#hosts.size !== before
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
    if (known && isOlder({ at, fence, node }, known)) return false
    const closeCode = numberOrNull(event.data.previousCloseCode) ?? known?.tunnel.lastCloseCode ?? null
    const moved = known !== undefined && known.tunnel.node !== node
    const reported = typeof event.data.previousNode === 'string' ? event.data.previousNode : null
    const tunnel: Tunnel = {
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
    }
    if (known && moved && needsProof(known, node, fence)) {
      known.claim = { fence, sinceMs: at, receivedMs: Date.parse(event.receivedAt), tunnel }
      return false
    }
    return this.#put(hostId, fence, at, tunnel)
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
    if (this.#believeClaim(known)) return true
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
        changed = this.#weighClaim(known, owner === node, item.lastPongAt, askedAt) || changed
        continue
      }
      // A lost one that the relay holds is not lost; one that is registered elsewhere stays there unless this is newer.
      if (known?.tunnel.state === 'registered' && isOlder({ at, fence: item.fence, node }, known)) continue
      if (known && known.sinceMs > askedAt) continue
      if (known && known.tunnel.node !== node && needsProof(known, node, item.fence)) continue
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
    for (const hostId of [...(this.#onNode.get(node) ?? [])]) {
      const entry = this.#hosts.get(hostId)
      if (!entry || here.has(hostId) || entry.sinceMs >= askedAt) continue
      const { tunnel } = entry
      if (this.#believeClaim(entry)) {
        changed = true
        continue
      }
      const owner = directory?.[hostId]
      // It is already registered elsewhere; that node's own event, which says how it came there, is on its way.
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
    for (const hostId of [...(this.#onNode.get(node) ?? [])]) {
      const entry = this.#hosts.get(hostId)
      if (!entry) continue
      changed = true
      if (this.#believeClaim(entry)) continue
      this.#put(hostId, entry.fence, at, {
        ...entry.tunnel,
        state: 'lost',
        since: new Date(at).toISOString(),
        presence: { ...entry.tunnel.presence, relay: false },
      })
    }
    return changed
  }

  /** A node is watched no more: whatever its word alone says of hosts is not known any more. Answers whether anything changed. */
  forgetNode(node: string): boolean {
    let changed = this.#listed.delete(node)
    for (const [hostId, entry] of this.#hosts) {
      if (entry.claim?.tunnel.node === node) entry.claim = null
      if (entry.doubted === node) entry.doubted = null
      if (entry.tunnel.node !== node) continue
      changed = true
      if (!this.#believeClaim(entry)) this.#forget(hostId)
    }
    return changed
  }

  /** The node that held it has let it go: the one that claimed it meanwhile was right. */
  #believeClaim(entry: HostEntry): boolean {
    const { claim } = entry
    if (!claim) return false
    entry.doubted = null
    return this.#put(entry.tunnel.hostId, claim.fence, claim.sinceMs, claim.tunnel)
  }

  /** The holder still lists a host that another node claims. */
  #weighClaim(entry: HostEntry, isOwner: boolean, lastPongAt: string | null, askedAt: number): boolean {
    const { claim } = entry
    if (!claim || claim.receivedMs > askedAt) return false
    if (isOwner && lastPongAt !== null && Date.parse(lastPongAt) > claim.receivedMs) {
      // It answers here, since after the claim: the claim was not true.
      entry.doubted = claim.tunnel.node
      entry.claim = null
      return false
    }
    return askedAt - claim.receivedMs >= CLAIM_BELIEVED_MS && this.#believeClaim(entry)
  }

  #put(hostId: string, fence: number | null, sinceMs: number, tunnel: Tunnel): boolean {
    const known = this.#hosts.get(hostId)
    if (!known && this.#hosts.size >= this.#maxHosts) {
      const [oldestLost] = this.#lostAt.keys()
      if (oldestLost === undefined) {
        this.overflowed += 1
        return false
      }
      this.#forget(oldestLost)
      this.forgotten += 1
    }
    const doubted = known?.tunnel.node === tunnel.node ? known.doubted : null
    const heldSinceMs = tunnel.state === 'lost' ? (known?.heldSinceMs ?? sinceMs) : sinceMs
    this.#set(hostId, { tunnel, fence, sinceMs, heldSinceMs, claim: null, doubted })
    this.#dirty.add(hostId)
    return true
  }

  #set(hostId: string, entry: HostEntry): void {
    this.#unlist(hostId)
    this.#hosts.set(hostId, entry)
    const { node, region, state } = entry.tunnel
    if (state === 'lost') {
      this.#lostAt.set(hostId, entry.sinceMs)
      return
    }
    listIn(this.#onNode, node, hostId)
    listIn(this.#inRegion, region, hostId)
  }

  #unlist(hostId: string): void {
    const known = this.#hosts.get(hostId)
    if (!known) return
    this.#lostAt.delete(hostId)
    this.#onNode.get(known.tunnel.node)?.delete(hostId)
    this.#inRegion.get(known.tunnel.region)?.delete(hostId)
  }

  #forget(hostId: string): void {
    this.#unlist(hostId)
    this.#hosts.delete(hostId)
    this.#dirty.delete(hostId)
    this.#gone.add(hostId)
  }
}

const listIn = (index: Map<string, Set<string>>, key: string, hostId: string): void => {
  const listed = index.get(key) ?? new Set()
  index.set(key, listed)
  listed.add(hostId)
}

/** Registered ones first, then by the time of their last change. */
const rank = (row: Tunnel): number => (row.state === 'registered' ? 1e15 : 0) + Date.parse(row.since)

/**
 * Whether a node's word alone moves a host that another one holds: only with a higher number of the same directory, and never
 * again once such a word was refuted. Else the holder has to let it go, or its list.
 */
const needsProof = (known: HostEntry, node: string, fence: number | null): boolean => {
  if (known.tunnel.state !== 'registered' || !known.tunnel.presence.relay) return false
  if (known.doubted === node) return true
  return known.fence !== null && (fence === null || fence <= known.fence)
}

const numberOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

/**
 * Whether a registration is older than what is known. Fences of one directory ascend; else the times decide. A loss at one node
 * says nothing of a registration at another: a host that moves is registered there before it is let go here, and clocks differ.
 */
const isOlder = (
  candidate: { at: number; fence: number | null; node: string },
  known: HostEntry,
): boolean => {
  const isElsewhere = known.tunnel.state === 'lost' && known.tunnel.node !== candidate.node
  const knownMs = isElsewhere ? known.heldSinceMs - CLOCK_SLACK_MS : known.sinceMs
  if (candidate.fence !== null && known.fence !== null && candidate.fence !== known.fence) {
    // A directory that began anew (a collector with embedded nodes restarted) counts from one again: a much later time wins.
    if (candidate.fence > known.fence) return false
    return candidate.at <= knownMs
  }
  return candidate.at < knownMs
}
