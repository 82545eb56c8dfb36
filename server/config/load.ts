import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Document, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import type { z } from 'zod'
import { AppError, type Problem } from '../contract/errors.ts'
import { checkValue } from '../contract/issue-words.ts'
import { type NodeConfig, nodeConfigSchema } from '../contract/node-config.ts'
import { crossCheck } from './cross-check.ts'
import { problemOf } from './problem.ts'
import { REFERENCE, References } from './references.ts'
import { readRegularFile, tooLarge } from './regular-file.ts'
import { withProxyPaths } from './route-paths.ts'
import { type Config, configSchema } from './schema.ts'
import { TlsFiles } from './tls-files.ts'

type Environment = Record<string, string | undefined>

/**
 * Of `tidegate.yaml`, which is read while the server runs, and nothing else goes on meanwhile: so much of the worst takes a second, of
 * usual entries, four thousand nodes, a fifth of that.
 */
const MAX_FILE_BYTES = 512 * 1024

/** Of a node's own file, which is read once, before it serves: a relay may know the tokens of very many hosts. */
const MAX_NODE_FILE_BYTES = 4 * 1024 * 1024

/** What is larger is no secret. */
const MAX_REFERRED_BYTES = 64 * 1024

/** All authorities that a system trusts take a quarter of it. */
const MAX_TLS_FILE_BYTES = 1024 * 1024

/** Reads and checks `tidegate.yaml`. Throws `ERR_CONFIG` with every problem at once: path, value, rule and example. */
export const loadConfig = (path: string, env: Environment): Config => readConfig(path, env, () => undefined)

/**
 * Loads it in the same way; `tell` is called with every file that it is made of, also where it throws: any of them may mend it.
 *
 * @param isRunning a server that runs reads regular files alone, and none that is too large
 */
export const readConfig = (
  path: string,
  env: Environment,
  tell: (files: string[]) => void,
  isRunning = false,
): Config => {
  const readFile = isRunning ? readConfigFile : readAnyFile
  const references = new References(env, dirname(path), isRunning ? readReferredFile : readAnyFile)
  const tlsFiles = new TlsFiles(dirname(path), isRunning ? readTlsFile : readAnyFile)
  try {
    const check = checksWith(tlsFiles)
    return resolved(load(path, readText(path, readFile), references, configSchema, check), path, tlsFiles)
  } finally {
    tell([path, ...references.files, ...tlsFiles.files])
  }
}

/** All problems of a text that might become the file at `path`; nothing is put in force. */
export const checkConfigText = (text: string, path: string, env: Environment): Problem[] =>
  problemsIn(path, () => {
    const references = new References(env, dirname(path), readReferredFile)
    load(path, text, references, configSchema, checksWith(new TlsFiles(dirname(path), readTlsFile)))
  })

/** The PEM files that entries name, read like those of a configuration file at `path` while the server runs. */
export const tlsFilesBeside = (path: string): TlsFiles => new TlsFiles(dirname(path), readTlsFile)

/** Reads and checks the file of `tidegate node --config`. Throws `ERR_CONFIG` like {@link loadConfig}. */
export const loadNodeConfig = (path: string, env: Environment): NodeConfig => {
  const references = new References(env, dirname(path))
  return resolvePaths(
    load(path, readText(path, readAnyFile), references, nodeConfigSchema, () => [], MAX_NODE_FILE_BYTES),
    dirname(path),
  )
}

/** All problems of a file, without throwing; for `tidegate check-config`. */
export const checkConfig = (path: string, env: Environment): Problem[] =>
  problemsIn(path, () => void loadConfig(path, env))

/** What `ERR_CONFIG` says, problem by problem. */
export const problemsOfError = (path: string, error: AppError): Problem[] =>
  Array.isArray(error.facts.problems)
    ? (error.facts.problems as Problem[])
    : [{ path, message: error.message }]

const problemsIn = (path: string, work: () => void): Problem[] => {
  try {
    work()
    return []
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return problemsOfError(path, error)
  }
}

const load = <T extends z.ZodType>(
  path: string,
  text: string,
  references: References,
  schema: T,
  check: (file: unknown, source: unknown) => Problem[],
  maxBytes = MAX_FILE_BYTES,
): z.infer<T> => {
  if (Buffer.byteLength(text) > maxBytes) throw tooLarge(path, maxBytes)
  const source = readYaml(path, text)
  const problems: Problem[] = []
  const value = references.replaceIn(source, problems)
  const parsed = checkValue(schema, value)
  if (!parsed.success) {
    const missing = new Set(problems.map((problem) => problem.path))
    // One by one: so many arguments as a file can have mistakes are too many for a call.
    for (const problem of parsed.error.issues.flatMap((issue) => problemOf(schema, issue, source)))
      if (!missing.has(problem.path)) problems.push(problem)
  }
  problems.push(...check(value, source))
  if (problems.length > 0 || !parsed.success)
    throw configError(
      path,
      problems.map((problem) => ({ path: problem.path, message: references.hide(problem.message) })),
    )
  return parsed.data
}

/** At the start a pipe is as good as a file. */
const readAnyFile = (path: string): string => readFileSync(path, 'utf8')

const readConfigFile = (path: string): string => readRegularFile(path, MAX_FILE_BYTES)

const readReferredFile = (path: string): string => readRegularFile(path, MAX_REFERRED_BYTES)

const readTlsFile = (path: string): string => readRegularFile(path, MAX_TLS_FILE_BYTES)

const checksWith =
  (tlsFiles: TlsFiles) =>
  (file: unknown, source: unknown): Problem[] => [...crossCheck(file, source), ...tlsFiles.problemsIn(file)]

const resolved = (config: Config, path: string, tlsFiles: TlsFiles): Config => ({
  ...config,
  nodes: config.nodes.map((node) => tlsFiles.withMaterial(node)),
  embedded: config.embedded.map((node) => resolvePaths(node, dirname(path))),
  notify: config.notify.map((channel) =>
    channel.ca === undefined ? channel : { ...channel, ca: resolve(dirname(path), channel.ca) },
  ),
})

const readText = (path: string, readFile: (path: string) => string): string => {
  try {
    return readFile(path)
  } catch (error) {
    if (error instanceof AppError) throw error
    const reason =
      error instanceof Error && 'code' in error && error.code === 'ENOENT'
        ? 'does not exist'
        : 'cannot be read'
    throw new AppError('ERR_CONFIG', `The configuration file ${path} ${reason}`, { path }, { cause: error })
  }
}

const readYaml = (path: string, text: string): unknown => {
  const references: string[] = []
  const lines = new LineCounter()
  // Whether keys are unique is looked at below: the parser compares each with each, which takes minutes for a long list.
  const document = parseDocument(hideReferences(text, references), {
    strict: true,
    uniqueKeys: false,
    lineCounter: lines,
  })
  const problems = document.errors.map((error) => ({
    path: `line ${error.linePos?.[0].line ?? '?'}`,
    // The place is already in front.
    message: error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? 'is not YAML',
  }))
  if (problems.length > 0) throw configError(path, distinct(problems))
  const reviver = (_key: unknown, value: unknown): unknown => shownIn(value, references)
  try {
    const repeated = repeatedKeys(document, lines)
    if (repeated.length > 0) throw configError(path, repeated)
    return document.toJS({ maxAliasCount: 100, reviver }) ?? {}
  } catch (error) {
    if (error instanceof AppError) throw error
    // Aliases that name nothing, lead in a circle or multiply, and what is nested without end.
    const reason = error instanceof ReferenceError ? error.message : 'is nested too deep, or in a circle'
    throw configError(path, [{ path: 'file', message: `cannot be unfolded: ${reason}` }])
  }
}

const repeatedKeys = (document: Document.Parsed, lines: LineCounter): Problem[] => {
  const problems: Problem[] = []
  visit(document, {
    Map: (_key, map) => {
      const seen = new Set<unknown>()
      for (const { key } of map.items) {
        if (!isScalar(key)) continue
        if (seen.has(key.value))
          problems.push({
            path: `line ${lines.linePos(key.range?.[0] ?? 0).line}`,
            message: 'Map keys must be unique',
          })
        seen.add(key.value)
      }
    },
  })
  return problems
}

const distinct = (problems: Problem[]): Problem[] => [
  ...new Map(problems.map((problem) => [`${problem.path}\n${problem.message}`, problem])).values(),
]

/**
 * In YAML a brace ends an unquoted text inside `{ }`: `token: ${TOKEN}` would have to be quoted there. References are hidden
 * from the parser behind private-use characters, so that they may stand anywhere.
 */
const hideReferences = (text: string, references: string[]): string =>
  text.replace(REFERENCE, (reference) => `\u{e000}${references.push(reference) - 1}\u{e001}`)

const showReferences = (text: string, references: string[]): string =>
  text.replace(/\u{e000}(\d+)\u{e001}/gu, (hidden, index: string) => references[Number(index)] ?? hidden)

/** One text, or the keys of one mapping: these are not replaced, and a sentence about them shows what was written. */
const shownIn = (value: unknown, references: string[]): unknown => {
  if (typeof value === 'string') return showReferences(value, references)
  if (
    typeof value !== 'object' ||
    value === null ||
    !Object.keys(value).some((key) => key.includes('\u{e000}'))
  )
    return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [showReferences(key, references), item]),
  )
}

const configError = (path: string, problems: Problem[]): AppError => {
  const width = problems.reduce((widest, problem) => Math.max(widest, problem.path.length), 0)
  const lines = problems.map((problem) => `  ${problem.path.padEnd(width)}  ${problem.message}`)
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`
  return new AppError('ERR_CONFIG', `${path} has ${count}:\n${lines.join('\n')}`, { problems })
}

/** Files named by a node's configuration are relative to the configuration file. */
const resolvePaths = (node: NodeConfig, folder: string): NodeConfig => {
  const at = (path: string) => resolve(folder, path)
  return {
    ...node,
    ...(node.data === undefined ? {} : { data: at(node.data) }),
    ...(node.proxy === undefined ? {} : { proxy: withProxyPaths(node.proxy, at) }),
    ...(node.push === undefined
      ? {}
      : {
          push: {
            ...node.push,
            keyPath: at(node.push.keyPath),
            ...(node.push.ca === undefined ? {} : { ca: at(node.push.ca) }),
            ...(node.push.tokens === undefined ? {} : { tokens: { file: at(node.push.tokens.file) } }),
          },
        }),
  }
}
