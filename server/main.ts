import { join } from 'node:path'
import { createAuth } from './auth/auth.ts'
import { readEnvironment } from './config/environment.ts'
import { loadConfig } from './config/load.ts'
import { totalDrainSeconds } from './contract/drain-budget.ts'
import { countDown, OpenRooms, type StopWish } from './lifecycle.ts'
import { ConfigInForce } from './main/config-in-force.ts'
import { createStore, storeUrl, takeDataFolder } from './main/memory.ts'
import { DEMO_POLLING, Tidegate } from './main/tidegate.ts'
import { LastResort } from './observe/last-resort.ts'
import { createLog } from './observe/log.ts'
import { type BackupNote, backUp } from './store/backup.ts'
import { databasePath } from './store/connection.ts'

type ProcessEnvironment = Record<string, string | undefined>

/** After the drain, every room gets some seconds to close; after that the process ends, whatever state it is in. */
const CLOSE_SECONDS = 20

/**
 * Starts every room in order, waits for the wish to stop, and stops them in reverse: embedded nodes drain first, while the API and the
 * live stream still answer. Resolves with the exit code; throws an `AppError` where it cannot start.
 */
export const runServer = async (env: ProcessEnvironment, wish: StopWish): Promise<number> => {
  const log = createLog('main', env.LOG_LEVEL)
  if (wish.isAsked) {
    log.info('asked to stop before anything was open: drain complete')
    wish.release()
    return 0
  }
  const rooms = new OpenRooms(log)
  let drainSeconds = totalDrainSeconds(env)
  const resort = new LastResort({
    log,
    what: 'the collector',
    end: () => wish.ask('an error escaped'),
    deadlineMs: () => (drainSeconds + CLOSE_SECONDS) * 1_000,
  })
  const settings = readEnvironment(env)
  const configuration = openConfiguration(settings.configPath, env, wish)
  const config = configuration?.began ?? null
  const folder = await takeDataFolder(settings, config, log)
  rooms.add('data folder', () => folder.release())
  try {
    const tidegate = new Tidegate({
      env,
      settings,
      config,
      configuration,
      dataDir: folder.path,
      log,
      rooms,
      wish,
    })
    await tidegate.open()
    const reason = await wish.asked
    log.info({ reason }, 'stopping: the embedded nodes drain first')
    drainSeconds = tidegate.drainSeconds
    await countDown(tidegate.drain(), drainSeconds, (remaining) =>
      log.info({ remaining }, `draining, at most ${remaining} s remain`),
    )
    const failed = await rooms.closeAll()
    log.info(
      failed.length === 0
        ? 'drain complete'
        : `drain complete with warnings: ${failed.join(', ')} did not close cleanly`,
    )
    resort.sayWhy()
    return resort.used ? 1 : 0
  } catch (error) {
    await rooms.closeAll()
    throw error
  } finally {
    resort.release()
    wish.release()
  }
}

/** With a file SIGHUP means to read it again; the demo, which has none, stops with its terminal. */
const openConfiguration = (
  path: string | null,
  env: ProcessEnvironment,
  wish: StopWish,
): ConfigInForce | null => {
  if (path === null) {
    wish.onHangUp(null)
    return null
  }
  const configuration = new ConfigInForce({ path, env, log: createLog('config', env.LOG_LEVEL) })
  wish.onHangUp(() => configuration.reload('SIGHUP'))
  return configuration
}

/** Copies the database into a file, while the server runs or not. */
export const backUpStore = (env: ProcessEnvironment, file: string): Promise<BackupNote> => {
  const settings = readEnvironment(env)
  const config = settings.configPath === null ? null : loadConfig(settings.configPath, env)
  const dataDir = config === null ? join(settings.dataDir, 'demo') : settings.dataDir
  return backUp(databasePath(storeUrl(settings, config, dataDir)), file)
}

/** Sets a user's password directly in the store: for the machine's owner, while the collector is stopped. */
export const resetPassword = async (
  env: ProcessEnvironment,
  email: string,
  password: string,
): Promise<void> => {
  const log = createLog('main', env.LOG_LEVEL)
  const settings = readEnvironment(env)
  const config = settings.configPath === null ? null : loadConfig(settings.configPath, env)
  const folder = await takeDataFolder(settings, config, log)
  const store = createStore(settings, config, folder.path, log, DEMO_POLLING.intervalMs)
  try {
    await store.open()
    const auth = await createAuth({
      store,
      prisma: store.prisma,
      dataDir: folder.path,
      serverUrl: 'http://localhost',
      origins: [],
      adminEmail: settings.adminEmail,
      adminPassword: settings.adminPassword,
      apiToken: settings.apiToken,
      log,
    })
    await auth.resetPassword(email, password)
    await auth.close()
  } finally {
    await store.close()
    folder.release()
  }
}

export { probeHere } from './main/probe-here.ts'
