// One set-up at a time in a clone: two `npm start`, or `npm test` beside a starting server, take turns.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { inRoot } from './paths.mjs'

const usualPath = inRoot('.tidegate', 'set-up.lock')

/** Another program may get the same process id later; where the system knows it, the start time tells them apart. */
function startTimeOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended; it only waits for its parent to notice.
    return fields[0] === 'Z' ? 'ended' : (fields[19] ?? '')
  } catch {
    // Not Linux, or the process is gone: the id alone has to do.
    return ''
  }
}

function identify(pid) {
  return { pid, startTime: startTimeOf(pid) }
}

function isAlive({ pid, startTime }) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code !== 'EPERM') return false
  }
  return startTime === '' || startTimeOf(pid) === startTime
}

function readOwner(lockPath) {
  try {
    return JSON.parse(readFileSync(lockPath, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    // The file is replaced by renaming, so half a file means an owner that died while it wrote its first line.
    return { processes: [] }
  }
}

/** Written beside and linked into place, so that nobody ever reads half a lock. */
function replace(lockPath, processes) {
  const draft = `${lockPath}.${process.pid}`
  writeFileSync(draft, JSON.stringify({ processes }))
  renameSync(draft, lockPath)
}

function tryTake(lockPath) {
  mkdirSync(dirname(lockPath), { recursive: true })
  try {
    writeFileSync(lockPath, JSON.stringify({ processes: [identify(process.pid)] }), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

/**
 * Takes away a lock whose owners are all dead. Renaming decides between two waiters that see the same dead owner: one of them gets the
 * file. If the winner caught a lock that was taken again in between, it is put back.
 */
function breakStale(lockPath) {
  const taken = `${lockPath}.stale-${process.pid}`
  try {
    renameSync(lockPath, taken)
  } catch {
    // Another waiter was quicker.
    return
  }
  let owner = { processes: [] }
  try {
    owner = JSON.parse(readFileSync(taken, 'utf8'))
  } catch {
    // Half a file: nobody alive wrote it (see readOwner).
  }
  if (owner.processes.some(isAlive)) renameSync(taken, lockPath)
  else rmSync(taken, { force: true })
}

/**
 * Runs `work` while no other launcher sets up this clone.
 *
 * @param {object} options
 * @param {(line: string) => void} options.say called once when there is somebody to wait for
 * @param {AbortSignal} options.signal ends the waiting
 * @param {number} options.timeoutMs how long another set-up may take before this one gives up
 * @param {string} [options.path] the lock's file
 * @param {(hold: { addChild: (pid: number) => void }) => Promise<T>} work
 * @returns {Promise<T>}
 * @template T
 */
export async function withSetUpLock({ say, signal, timeoutMs, path: lockPath = usualPath }, work) {
  const deadline = Date.now() + timeoutMs
  let told = false
  let unreadable = 0
  while (!tryTake(lockPath)) {
    const owner = readOwner(lockPath)
    // A lock that was created and not yet filled looks unreadable for a moment.
    unreadable = owner && owner.processes.length === 0 ? unreadable + 1 : 0
    if (owner && !owner.processes.some(isAlive) && (owner.processes.length > 0 || unreadable > 10)) {
      breakStale(lockPath)
      continue
    }
    if (owner && !told) {
      told = true
      say(`set-up   waiting for the one that process ${owner.processes[0]?.pid ?? '?'} is doing`)
    }
    if (Date.now() > deadline) {
      const error = new Error('another set-up held the lock for too long')
      error.sentence = `Another set-up of this clone has run for ${Math.round(timeoutMs / 60_000)} minutes; end it, or remove ${lockPath}, and try again.`
      throw error
    }
    await sleep(100, undefined, { signal })
  }
  const processes = [identify(process.pid)]
  try {
    return await work({
      // An installation goes on when its launcher is killed, so it counts as an owner, too.
      addChild(pid) {
        processes.push(identify(pid))
        replace(lockPath, processes)
      },
    })
  } finally {
    rmSync(lockPath, { force: true })
  }
}
