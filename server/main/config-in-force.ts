import { basename } from 'node:path'
import type { ConfigHandle } from '../api/context.ts'
import type { WebhookTarget } from '../collector/adapters/adapter.ts'
import type { FleetChange } from '../collector/fleet/members.ts'
import { FileWatch } from '../config/file-watch.ts'
import { checkConfigText, problemsOfError, readConfig } from '../config/load.ts'
import { redacted } from '../config/redact.ts'
import type { Config } from '../config/schema.ts'
import { AppError, type Problem } from '../contract/errors.ts'
import type { RoomProblem } from '../contract/fleet.ts'
import { plural } from '../contract/words.ts'
import type { Log } from '../observe/log.ts'
import { Turn } from '../time/turn.ts'
import { type ConfigChange, changeOf, summaryOf } from './config-change.ts'

/** How often to look whether drains still have nodes that a file would remove. */
const DRAINED_LOOK_MS = 1_000
/** How many mistakes, or keys that need a restart, the sentence on each page names; the log and `GET /config` have all. */
const MAX_SHOWN = 8
/** How many of them the list below that sentence has. */
const MAX_DETAILS = 20

export interface ConfigInForceOptions {
  path: string
  env: Record<string, string | undefined>
  log: Log
}

/** Who puts a configuration into force. */
export interface Applier {
  /** Embedded nodes whose entries differ from what they run with. */
  changedNodes(next: Config): string[]
  /** Those of these nodes that a drain has, so that they cannot leave. */
  drained(nodes: readonly string[]): string[]
  /**
   * Puts all of it into force, once `commit` has written it down. Rejects, and changes nothing, where that is impossible.
   */
  apply(config: Config, commit: (change: FleetChange) => Promise<void>): Promise<FleetChange>
  /** Writes down what is about to change. Rejects where it cannot: then nothing changes. */
  audit(row: { reason: string; after: unknown }): Promise<void>
  /** It is in force. */
  applied(summary: string): void
  /** What is wrong with the configuration has changed. */
  problemsChanged(): void
}

/**
 * The configuration that holds. It is read again when somebody asks (SIGHUP) and when its files change: a valid file takes effect
 * completely, except for what needs a restart, which is named; a file with any mistake changes nothing, and all its mistakes are listed.
 */
export class ConfigInForce implements ConfigHandle {
  /** What the process began with. */
  readonly began: Config
  readonly #options: ConfigInForceOptions
  readonly #watch: FileWatch
  readonly #turn = new Turn()
  #config: Config
  #loadedAt = new Date().toISOString()
  #refused: { at: string; problems: Problem[] } | null = null
  #needsRestart: { at: string; keys: string[] } = { at: '', keys: [] }
  #applier: Applier | null = null
  #isAskedFor = false
  /** Runs while a file is refused because of drains alone. */
  #drainedLook: NodeJS.Timeout | null = null
  #isClosed = false

  /** Reads the file. Throws `ERR_CONFIG` with every problem at once. */
  constructor(options: ConfigInForceOptions) {
    this.#options = options
    const { path, env } = options
    // Before it is read: what changes from here on is a change.
    this.#watch = new FileWatch({ files: [path], onChange: () => this.reload('the file changed') })
    const config = readConfig(path, env, (files) => this.#watch.setFiles(files))
    this.#config = config
    this.began = config
  }

  /** From now on changes take effect; one that was asked for before does so at once. */
  start(applier: Applier): void {
    this.#applier = applier
    this.#watch.start()
    if (this.#isAskedFor) this.#run('asked for during the start')
  }

  /** Reads the file again; two requests at the same time share one reading. */
  reload(cause: string): void {
    if (this.#isAskedFor || this.#isClosed) return
    this.#isAskedFor = true
    if (this.#applier !== null) this.#run(cause)
  }

  /** Nothing takes effect any more; what is under way is finished first. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#watch.close()
    this.#endDrainedLook()
    await this.#turn.settled()
  }

  inForce(): ReturnType<ConfigHandle['inForce']> {
    return {
      path: this.#options.path,
      loadedAt: this.#loadedAt,
      config: redacted(asWritten(this.#config)),
      refused: this.#refused,
      needsRestart: this.#needsRestart.keys,
    }
  }

  check(text: string): readonly Problem[] {
    return checkConfigText(text, this.#options.path, this.#options.env)
  }

  /** What every page says about the file. */
  problems(): RoomProblem[] {
    const name = basename(this.#options.path)
    const problems: RoomProblem[] = []
    if (this.#refused !== null) {
      const { at, problems: mistakes } = this.#refused
      const shown = mistakes.slice(0, MAX_SHOWN).map(({ path, message }) => `${path} ${message}`)
      const more = mistakes.length - shown.length
      problems.push({
        code: 'config_refused',
        text: `${name} has ${plural(mistakes.length, 'problem')} and is not in force: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`,
        details: mistakes.slice(0, MAX_DETAILS).map(({ path, message }) => `${path} ${message}`),
        remedy:
          'Correct the file; it is then read by itself. Until then, what was in force before stays in force.',
        since: at,
      })
    }
    const { keys, at } = this.#needsRestart
    if (keys.length > 0)
      problems.push({
        code: 'config_needs_restart',
        text: `${name} has changes that wait for a restart: ${keys.slice(0, MAX_SHOWN).join(', ')}${keys.length > MAX_SHOWN ? ` and ${keys.length - MAX_SHOWN} more` : ''}.`,
        details: keys.slice(0, MAX_DETAILS),
        remedy: 'Restart the server when it suits you; everything else in the file is in force.',
        since: at,
      })
    return problems
  }

  #run(cause: string): void {
    void this.#turn.run(async () => {
      this.#isAskedFor = false
      if (this.#isClosed || this.#applier === null) return
      try {
        await this.#reload(this.#applier, cause)
      } catch (error) {
        this.#refuse(this.#applier, error)
      }
    })
  }

  async #reload(applier: Applier, cause: string): Promise<void> {
    const { path, env, log } = this.#options
    this.#endDrainedLook()
    this.#watch.reading()
    const next = readConfig(path, env, (files) => this.#watch.setFiles(files), true)
    const change = changeOf(this.#config, next, applier.changedNodes(next))
    let summary = ''
    await applier.apply(change.config, async (fleet) => {
      summary = summaryOf(fleet, change.keys)
      if (summary !== '') await applier.audit({ reason: cause, after: auditOf(summary, change) })
    })
    this.#config = change.config
    this.#loadedAt = new Date().toISOString()
    const wasRefused = this.#refused !== null
    this.#refused = null
    this.#setNeedsRestart(change.needsRestart)
    if (wasRefused || summary !== '' || change.needsRestart.length > 0)
      log.info(
        { cause, needsRestart: change.needsRestart },
        `configuration reloaded: ${summary || 'nothing changed'}`,
      )
    else log.debug({ cause }, 'configuration read again: nothing changed')
    if (summary !== '') applier.applied(summary)
    applier.problemsChanged()
  }

  #setNeedsRestart(keys: string[]): void {
    const { log } = this.#options
    const news = keys.filter((key) => !this.#needsRestart.keys.includes(key))
    if (news.length > 0) log.warn({ keys: news }, `these take effect at the next start: ${news.join(', ')}`)
    const at = this.#needsRestart.keys.length > 0 ? this.#needsRestart.at : new Date().toISOString()
    this.#needsRestart = { at, keys }
  }

  #refuse(applier: Applier, error: unknown): void {
    const { path, log } = this.#options
    const problems =
      error instanceof AppError
        ? problemsOfError(path, error)
        : [{ path, message: 'could not be put in force; the log has the reason' }]
    // Keeps the time at which it first was wrong, however often it has been read since.
    this.#refused = { at: this.#refused?.at ?? new Date().toISOString(), problems }
    log.error(
      { path, problems, ...(error instanceof AppError ? {} : { err: error }) },
      `the configuration is refused, and what was in force goes on: ${problems.map((problem) => `${problem.path} ${problem.message}`).join('; ')}`,
    )
    if (error instanceof AppError && error.code === 'ERR_CONFLICT') this.#awaitDrains(applier, error)
    applier.problemsChanged()
  }

  /** Nothing is wrong with the file: it is read again as soon as no drain has the nodes that it lacks. */
  #awaitDrains(applier: Applier, { facts }: AppError): void {
    const nodes = Array.isArray(facts.nodes) ? facts.nodes.map(String) : []
    if (nodes.length === 0 || this.#isClosed) return
    this.#drainedLook = setInterval(() => {
      if (applier.drained(nodes).length > 0) return
      this.#endDrainedLook()
      this.reload('the drains that had its nodes have ended')
    }, DRAINED_LOOK_MS)
    this.#drainedLook.unref()
  }

  #endDrainedLook(): void {
    if (this.#drainedLook !== null) clearInterval(this.#drainedLook)
    this.#drainedLook = null
  }
}

/** Certificates and keys are in files of their own; the configuration names them. */
const asWritten = ({ nodes, ...config }: Config): unknown => ({
  ...config,
  nodes: nodes.map(({ tls: _, ...node }) =>
    'drain' in node && node.drain !== undefined
      ? { ...node, drain: { webhook: withoutMaterial(node.drain.webhook) } }
      : node,
  ),
})

const withoutMaterial = ({ tls: _, ...webhook }: WebhookTarget): unknown => webhook

const auditOf = (summary: string, { keys, needsRestart }: ConfigChange): unknown => ({
  summary,
  keys,
  needsRestart,
})
