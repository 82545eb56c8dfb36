import { scryptSync } from 'node:crypto'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'

/** Asks for the scrypt key of a password. */
export interface KeyRequest {
  id: number
  password: string
  salt: string
  /** Cost, block size and parallelism of RFC 7914, and the length of the key in bytes. */
  N: number
  r: number
  p: number
  length: number
}

export type KeyAnswer = { id: number; key: Uint8Array } | { id: number; error: string }

// On Linux a niceness belongs to the calling thread; elsewhere it would slow the whole process.
if (process.platform === 'linux') {
  try {
    setPriority(0, 5)
  } catch {
    // A sandbox may forbid it; then passwords compete for the processor like everything else.
  }
}

/** Synchronous on purpose: the asynchronous form works on libuv's pool, which name look-ups and files of this process share. */
parentPort?.on('message', ({ id, password, salt, N, r, p, length }: KeyRequest) => {
  let answer: KeyAnswer
  try {
    const key = scryptSync(password.normalize('NFKC'), salt, length, { N, r, p, maxmem: 128 * N * r * 2 })
    answer = { id, key }
  } catch (error) {
    answer = { id, error: error instanceof Error ? error.message : String(error) }
  }
  parentPort?.postMessage(answer)
})
