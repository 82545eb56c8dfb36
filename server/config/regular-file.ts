import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { AppError } from '../contract/errors.ts'

/**
 * The text of a regular file of at most so many bytes. A pipe or a device may never end, and a running server would stand still until
 * then: they are not waited for, nor read.
 */
export const readRegularFile = (path: string, maxBytes: number): string => {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw new AppError('ERR_CONFIG', `${path} is not a regular file`, { path })
    if (stats.size > maxBytes) throw tooLarge(path, maxBytes)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

export const tooLarge = (path: string, maxBytes: number): AppError =>
  new AppError('ERR_CONFIG', `${path} is larger than ${maxBytes} bytes`, { path })
