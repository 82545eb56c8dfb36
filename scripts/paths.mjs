// Where things are in the clone.

import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The clone's root. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The Node.js that package.json pins, once it is installed. */
export const pinnedNode = join(
  root,
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
)

/** @param {string} path below the root */
export const inRoot = (...path) => join(root, ...path)
