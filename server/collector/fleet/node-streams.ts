import type { LivePublisher } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { StreamGap } from '../adapters/adapter.ts'
import type { EventSink } from '../events/event-sink.ts'
import type { FleetNode } from './fleet-node.ts'

/** Follows the events of nodes into the sink. */
export class NodeStreams {
  readonly #options: NodeStreamsOptions

  constructor(options: NodeStreamsOptions) {
    this.#options = options
  }

  /** Begins to follow a node, where its kind has events. Twice is once. */
  follow(node: FleetNode): void {
    if (node.stream !== null) return
    const { now, sink } = this.#options
    let flowed = false
    node.follow({
      clock: node.clock,
      isLagging: this.#options.isLagging,
      accept: (event, bytes) => sink.accept(event, bytes),
      room: () => sink.room(),
      onLiveOnly: (event) => sink.showOnly(event),
      onGap: (gap) => this.#gap(node, gap),
      onLive: () => this.#options.onLive(node),
      onChange: () => {
        const flows = node.stream?.state === 'live'
        if (flowed && !flows) node.streamBroke(now())
        flowed = flows
        this.#options.touch(node.id)
        this.#options.live.changed('overview')
      },
    })
  }

  /** Ends the connection to a node's events. */
  leave(node: FleetNode): void {
    node.stream?.close()
  }

  #gap(node: FleetNode, gap: StreamGap): void {
    const { store, log, sink } = this.#options
    log.warn({ node: node.id, from: gap.fromSeq, to: gap.toSeq }, gap.reason)
    void sink.record(
      'stream.gap',
      { from: gap.fromSeq, to: gap.toSeq, reason: gap.reason },
      { node: node.id, region: node.region },
    )
    if (gap.fromMs === null) return
    store
      .addGap({ from: gap.fromMs, to: gap.toMs, reason: gap.reason, node: node.id })
      .catch((error: unknown) => log.warn({ err: error }, 'a gap could not be recorded'))
  }
}

export interface NodeStreamsOptions {
  sink: EventSink
  store: Pick<Store, 'addGap'>
  live: Pick<LivePublisher, 'changed'>
  log: Log
  /** Wall clock in epoch ms. */
  now: () => number
  /** Whether we ourselves were late just now. */
  isLagging: () => boolean
  /** Events of this node flow from now on. */
  onLive: (node: FleetNode) => void
  /** Says that something about a node changed. */
  touch: (node: string | null) => void
}
