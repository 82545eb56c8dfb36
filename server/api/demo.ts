import { z } from 'zod'
import { AppError, SCENARIOS, type ScenarioName } from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiContext, ApiOptions } from './context.ts'
import { noSuch, pageOf, pageQuery, readBody, readQuery } from './input.ts'

const startSchema = z.object({ node: z.string().min(1).max(63).optional() }).strict()

/** Game days of the demo fleet; they exist only while it runs. */
export const addDemo = (app: ApiApp, { needs }: Access, { demo }: ApiOptions): void => {
  const running = () => {
    if (demo === null) throw new AppError('ERR_NOT_FOUND', 'The demo fleet does not run here', {})
    return demo
  }
  const nameOf = (context: ApiContext): ScenarioName => {
    const name = context.req.param('name') ?? ''
    const known = SCENARIOS.find((each) => each === name)
    if (known === undefined) throw noSuch('scenario', name)
    return known
  }

  // With tokens for spare hosts, so not for viewers.
  app.get(
    '/demo',
    needs('operator', (c) => c.json(running().info())),
  )
  app.get(
    '/demo/scenarios',
    needs('operator', (c) =>
      c.json(
        pageOf('scenarios', running().scenarios(), (scenario) => scenario.name, readQuery(c, pageQuery)),
      ),
    ),
  )
  app.post(
    '/demo/scenarios/:name',
    needs('operator', async (c) => {
      const fleet = running()
      const name = nameOf(c)
      const { node } = await readBody(c, startSchema)
      return c.json(await fleet.startScenario(name, node), 202)
    }),
  )
  app.delete(
    '/demo/scenarios/:name',
    needs('operator', async (c) => {
      const fleet = running()
      await fleet.endScenario(nameOf(c))
      return c.body(null, 204)
    }),
  )
}
