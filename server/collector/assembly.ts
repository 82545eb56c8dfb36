import type { Drain } from '../contract/index.ts'
import { Turn } from '../time/turn.ts'
import { Adapters } from './adapters/registry.ts'
import { Beats } from './beats.ts'
import type { CollectorOptions } from './collector-options.ts'
import { RunningDrainDesk } from './drains/desk/drain-desk.ts'
import { EventSink } from './events/event-sink.ts'
import { Fleet } from './fleet/fleet.ts'
import { LiveFleetView } from './fleet/fleet-view.ts'
import { NodeStreams } from './fleet/node-streams.ts'
import { NodeVerbs } from './fleet/node-verbs.ts'
import { TunnelLists } from './fleet/tunnel-lists.ts'
import { Recorder } from './history/recorder.ts'
import { Retention } from './history/retention.ts'
import { IncidentBook } from './incidents/book.ts'
import { IncidentDesk } from './incidents/desk.ts'
import { JUDGE_DEFAULTS } from './judgement/judge.ts'
import { MaintenanceWindows } from './maintenance/windows.ts'
import { Notifications } from './notify/notifications.ts'
import { explainedByDrain } from './notify/silence.ts'
import { Polling } from './polling.ts'
import { adaptersForOneLook, NO_FILES, NodeProbe } from './probe/node-probe.ts'
import { ProbeDesk } from './probe/probe-desk.ts'
import { Rounds } from './rounds.ts'
import { Detector } from './signals/detector.ts'
import { nodeDown } from './signals/node-down.ts'
import { nodeScope } from './signals/rule.ts'
import { Targets } from './targets.ts'
import { ControlRoom } from './watch/control-room.ts'
import { Watch } from './watch/watch.ts'
import { WatchedRecord } from './watched-record.ts'

/** What a collector is made of, each part introduced to those whom it asks and tells. Nothing runs yet. */
export class Assembly {
  readonly polling: Polling
  readonly adapters: Adapters
  readonly sink: EventSink
  readonly notifications: Notifications
  readonly book: IncidentBook
  readonly fleet: Fleet
  readonly maintenance: MaintenanceWindows
  readonly beats: Beats
  readonly history: Recorder
  readonly drains: RunningDrainDesk
  readonly targets: Targets
  readonly incidents: IncidentDesk
  readonly detector: Detector
  readonly watch: Watch
  readonly room: ControlRoom
  readonly tunnels: TunnelLists
  readonly streams: NodeStreams
  readonly verbs: NodeVerbs
  readonly probe: ProbeDesk
  readonly retention: Retention
  readonly watched: WatchedRecord
  readonly rounds: Rounds
  /** Changes of incidents: one at a time, rules every second, people whenever they like. */
  readonly changes = new Turn()
  /** Wall clock in epoch ms. */
  readonly now: () => number
  readonly #options: CollectorOptions

  constructor(options: CollectorOptions) {
    const { store, live, log } = options
    const now = options.now ?? Date.now
    this.#options = options
    this.now = now
    this.polling = new Polling(options.polling)
    this.adapters = this.#adaptersOf()
    this.retention = new Retention(store, log)
    this.watched = new WatchedRecord(options.name ?? 'collector', store, log)
    const regionOf = (node: string): string | null => this.fleet.member(node)?.region ?? null
    this.sink = new EventSink({ store, live, log, now, regionOf })
    const record: EventSink['record'] = (type, data, where) => this.sink.record(type, data, where)
    this.notifications = this.#notificationsOf()
    this.book = new IncidentBook({ store, live, record, log, teller: this.notifications })
    this.fleet = this.#fleetOf(record)
    const { fleet } = this
    this.maintenance = this.#maintenanceOf(record)
    this.beats = new Beats(fleet, options.polling.intervalMs)
    fleet.onPoll((id, poll) => this.beats.beat(id, poll))
    fleet.onPoll((id) => this.history.touch(id))
    this.history = this.#historyOf()
    this.drains = new RunningDrainDesk({ ...options.drains, store, fleet, live, log, now })
    this.targets = this.#targetsOf()
    this.incidents = new IncidentDesk({
      store,
      book: this.book,
      live,
      turn: this.changes,
      now,
      url: options.url,
    })
    this.detector = this.#detectorOf()
    this.watch = this.#watchOf()
    this.room = this.#roomOf()
    const touch = (id: string | null): void => this.#touch(id)
    this.tunnels = new TunnelLists({ fleet, store, live, touch, log, now })
    this.streams = this.#streamsOf()
    this.probe = this.#probeOf()
    this.verbs = new NodeVerbs({ fleet, store, now })
    this.rounds = this.#roundsOf()
    this.sink.handTo(
      (event) => this.tunnels.happened(event),
      (event) => this.detector.take({ type: 'event', event }),
      (event) => live.event(event),
      (event) => fleet.tellEvent(event),
    )
  }

  /** A drain that is planned for later explains nothing yet, and wants nothing of its nodes. */
  #drainsUnderWay(): Drain[] {
    return this.drains.active().filter((drain) => drain.state !== 'planned')
  }

  #adaptersOf(): Adapters {
    const { store, log, demo } = this.#options
    const { polling, now } = this
    return new Adapters({
      // Read for each poll: it may change.
      get timeoutMs() {
        return polling.timeoutMs
      },
      rules: polling.rules,
      store,
      log,
      maxBackoffMs: demo ? 2_000 : 10_000,
      now,
    })
  }

  #notificationsOf(): Notifications {
    const { store, live, log, notify, url } = this.#options
    return new Notifications(
      {
        store,
        live,
        log,
        now: this.now,
        open: () => this.book.open(),
        incidentOf: async (id) => this.book.known(id) ?? (await store.incident(id)),
        silencedBy: (incident, at) =>
          this.maintenance.silencedBy(incident, at) ?? explainedByDrain(incident, this.#drainsUnderWay()),
        url: (url ?? 'http://localhost:3000').replace(/\/+$/, ''),
      },
      notify ?? [],
    )
  }

  #fleetOf(record: EventSink['record']): Fleet {
    const { regions, nodes, store, log, polling } = this.#options
    return new Fleet({
      regions,
      nodes,
      store,
      adapters: this.adapters,
      record,
      log,
      now: this.now,
      pollIntervalMs: polling.intervalMs,
      openIncidents: () => this.book.open(),
      activeDrains: () => this.#drainsUnderWay(),
      absence: (node) => this.drains.absence(node),
      maintenance: (whom) => this.maintenance.mark(whom),
      standing: (node) => this.drains.standing(node),
    })
  }

  #maintenanceOf(record: EventSink['record']): MaintenanceWindows {
    const { store, live } = this.#options
    return new MaintenanceWindows({
      store,
      live,
      record,
      fleet: {
        regions: () => this.fleet.regionIds(),
        nodes: () => this.fleet.members(),
        regionOf: (node) => this.fleet.member(node)?.region ?? null,
        openIncidents: () => this.book.open(),
      },
      held: (window) => this.detector.heldBack(window),
      now: this.now,
    })
  }

  #historyOf(): Recorder {
    const { fleet } = this
    const { store, log } = this.#options
    return new Recorder({
      store,
      log,
      now: this.now,
      sources: {
        node: (id) => fleet.judged(id),
        document(id) {
          const known = fleet.member(id)?.known
          return known ? { at: known.at, data: known.raw } : null
        },
        regions: () =>
          fleet
            .regions()
            .map(({ words, ...region }) => ({ ...region, problems: words === undefined ? [] : [words] })),
        room: () => this.room.problems().map(({ code, text }) => `${code}: ${text}`),
      },
    })
  }

  #targetsOf(): Targets {
    const { store, live } = this.#options
    const { fleet, drains, adapters, beats, history } = this
    const forget = (node: string): void => {
      beats.forget(node)
      history.forget(node)
    }
    return new Targets({ fleet, drains, adapters, store, live, forget })
  }

  #detectorOf(): Detector {
    const { detect, log } = this.#options
    const activeDrains = (): Drain[] => this.#drainsUnderWay()
    return new Detector({
      fleet: new LiveFleetView({
        fleet: this.fleet,
        announced: () => this.watch.announced(),
        activeDrains,
        inMaintenance: (node, at) => this.maintenance.inMaintenance(node, at),
      }),
      book: this.book,
      detect: detect ?? {},
      activeDrains,
      maintenance: this.maintenance,
      log,
    })
  }

  #watchOf(): Watch {
    const { store, live, log, polling } = this.#options
    const { fleet, detector, now } = this
    return new Watch({
      fleet,
      detector,
      store,
      live,
      log,
      intervalMs: polling.intervalMs,
      thresholds: (node) => ({ ...JUDGE_DEFAULTS, ...detector.thresholdsOf(nodeDown, nodeScope(node)) }),
      now,
    })
  }

  #roomOf(): ControlRoom {
    const { store, live, log, roomProblems } = this.#options
    const { fleet, sink, watch, drains, history, detector, now } = this
    return new ControlRoom({
      fleet,
      sink,
      watch,
      store,
      live,
      drains,
      history,
      detector,
      told: () => [...(roomProblems?.() ?? []), ...this.notifications.problems()],
      log,
      now,
    })
  }

  #streamsOf(): NodeStreams {
    const { store, live, log } = this.#options
    return new NodeStreams({
      sink: this.sink,
      store,
      live,
      log,
      now: this.now,
      isLagging: () => this.watch.isLagging(),
      onLive: (node) => void this.tunnels.read(node),
      touch: (id) => this.#touch(id),
    })
  }

  #probeOf(): ProbeDesk {
    const { store, log, tlsFiles } = this.#options
    const { rules } = this.polling
    const probe = new NodeProbe({
      rules,
      adapters: () => adaptersForOneLook(rules, log),
      known: () => ({
        ids: this.fleet.members().map(({ id }) => id),
        regions: this.fleet.regions().map(({ id }) => id),
      }),
      tlsFiles: tlsFiles ?? (() => NO_FILES),
    })
    return new ProbeDesk(probe, store, this.now)
  }

  #roundsOf(): Rounds {
    const { log } = this.#options
    const { changes, detector, watched, room, tunnels, history, maintenance, now } = this
    return new Rounds({ log, changes, detector, watched, room, tunnels, history, maintenance, now })
  }

  /** Something about a node changed. */
  #touch(id: string | null): void {
    const node = id === null ? null : this.fleet.member(id)
    if (!node) return
    const { live } = this.#options
    live.changed(`node:${node.id}`)
    live.changed(`region:${node.region}`)
  }
}
