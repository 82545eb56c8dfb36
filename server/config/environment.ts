import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { AppError, type Problem } from '../contract/errors.ts'

/** What the environment says, checked once. */
export interface Environment {
  port: number | null
  host: string | null
  dataDir: string
  /** The configuration file: the one named, or `./tidegate.yaml` where it exists; null starts the demo fleet. */
  configPath: string | null
  /** `TIDEGATE_DEMO=1`: the demo fleet, also where a configuration was used before. */
  demoAsked: boolean
  databaseUrl: string | null
  adminEmail: string | null
  adminPassword: string | null
  apiToken: string | null
  dev: boolean
}

/** Reads the variables that always work. Throws `ERR_CONFIG` with every problem at once. */
export const readEnvironment = (
  env: Record<string, string | undefined>,
  folder = process.cwd(),
): Environment => {
  const problems: Problem[] = []
  const value = (name: string): string | null =>
    env[name] === undefined || env[name] === '' ? null : (env[name] ?? null)

  const port = value('PORT')
  if (port !== null && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535)) {
    problems.push({
      path: 'PORT',
      message: `is "${port.slice(0, 40)}"; it must be an integer from 0 to 65535, for example 3000`,
    })
  }
  const apiToken = value('TIDEGATE_API_TOKEN')
  if (apiToken !== null && apiToken.length < 32) {
    problems.push({
      path: 'TIDEGATE_API_TOKEN',
      message: `has ${apiToken.length} characters; it needs at least 32`,
    })
  }
  const adminEmail = value('TIDEGATE_ADMIN_EMAIL')
  const adminPassword = value('TIDEGATE_ADMIN_PASSWORD')
  if (adminEmail !== null && !/^[^@\s]+@[^@\s]+$/.test(adminEmail)) {
    problems.push({
      path: 'TIDEGATE_ADMIN_EMAIL',
      message: `is "${adminEmail.slice(0, 80)}"; it must be an e-mail address, for example ana@example.com`,
    })
  }
  if ((adminEmail === null) !== (adminPassword === null)) {
    const [missing, other] =
      adminEmail === null
        ? ['TIDEGATE_ADMIN_EMAIL', 'TIDEGATE_ADMIN_PASSWORD']
        : ['TIDEGATE_ADMIN_PASSWORD', 'TIDEGATE_ADMIN_EMAIL']
    problems.push({ path: missing, message: `is missing; ${other} is set and needs it` })
  }
  const databaseUrl = value('DATABASE_URL')
  if (databaseUrl !== null && !databaseUrl.startsWith('file:')) {
    problems.push({
      path: 'DATABASE_URL',
      message: 'must begin with file:, for example file:./data/tidegate.db; other stores come later',
    })
  }
  if (problems.length > 0) {
    const lines = problems.map((problem) => `  ${problem.path}  ${problem.message}`)
    throw new AppError(
      'ERR_CONFIG',
      `The environment has ${problems.length === 1 ? 'one problem' : `${problems.length} problems`}:\n${lines.join('\n')}`,
      { problems },
    )
  }
  const named = value('TIDEGATE_CONFIG')
  const usual = resolve(folder, 'tidegate.yaml')
  const demoAsked = value('TIDEGATE_DEMO') === '1'
  return {
    port: port === null ? null : Number(port),
    host: value('HOST'),
    dataDir: resolve(folder, value('TIDEGATE_DATA') ?? './data'),
    configPath: named !== null ? resolve(folder, named) : existsSync(usual) && !demoAsked ? usual : null,
    demoAsked,
    databaseUrl,
    adminEmail,
    adminPassword,
    apiToken,
    dev: value('TIDEGATE_DEV') === '1',
  }
}
