/** Where a host's tunnel ends. `internalUrl`: where fellow relays reach that relay, for example `http://127.0.0.1:40123`. */
export interface DirectoryOwner {
  node: string
  region: string
  internalUrl: string | null
}

export interface DirectoryEntry extends DirectoryOwner {
  fence: number
}

export interface Holding {
  hostId: string
  fence: number
}

/** A registration that ended although its owner did not end it. */
export interface LostHolding extends Holding {
  /** Who holds the host now. */
  by: { node: string; region: string; fence: number }
}

/**
 * Which relay owns which host. Every registration takes a higher number, its `fence`; a relay with a lower one has lost the host. Every
 * call may reject (unreachable, or no answer in time); a relay still serves its own hosts then.
 */
export interface Directory {
  readonly backend: 'memory' | 'shared'
  /** Known only to relays of this directory: proves that a request was passed on by one of them. Empty until known. */
  readonly passKey: string
  register(
    hostId: string,
    owner: DirectoryOwner,
  ): Promise<{ fence: number; previous: { node: string; fence: number } | null }>
  /**
   * Keeps entries from expiring, after their pongs. `missing`: no entry any more (register again); `lost`: a higher fence exists.
   */
  refresh(holdings: readonly Holding[]): Promise<{ missing: string[]; lost: LostHolding[] }>
  /** Compare-and-delete: true where exactly this registration was removed. */
  unregister(hostId: string, fence: number): Promise<boolean>
  /** Compare-and-delete of many in one call; returns how many were removed. */
  removeMany(holdings: readonly Holding[]): Promise<number>
  /** Removes every entry of a node: what it left behind in an earlier life. */
  clearNode(node: string): Promise<number>
  lookup(hostId: string): Promise<DirectoryEntry | null>
  /** Who owned the host last, where its entry went (removed, expired) within the last 60 s; null while there is an entry. */
  formerOwner(hostId: string): Promise<string | null>
  /** Host id → node. */
  owners(): Promise<Record<string, string>>
  reachable(): boolean
  /** Entries as last known. */
  entries(): number
  /** Called when a registration is superseded. Returns the function that ends the subscription. */
  onLost(listener: (lost: LostHolding) => void): () => void
  /** Ends timers and subscriptions; entries are not removed. */
  close(): void
}
