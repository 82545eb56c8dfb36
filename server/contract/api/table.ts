import { configRoutes } from './config.ts'
import { demoRoutes } from './demo.ts'
import { drainRoutes } from './drains.ts'
import { eventRoutes } from './events.ts'
import { fleetRoutes } from './fleet.ts'
import { healthzRoutes } from './healthz.ts'
import { incidentRoutes } from './incidents.ts'
import { laterRoutes } from './later.ts'
import { maintenanceRoutes } from './maintenance.ts'
import { notificationRoutes } from './notifications.ts'
import { peopleRoutes } from './people.ts'
import { seriesRoutes } from './series.ts'
import { signInRoutes } from './sign-in.ts'
import { systemRoutes } from './system.ts'

/** Every call there is, by its operation id. */
export const ROUTES = {
  ...fleetRoutes,
  ...seriesRoutes,
  ...eventRoutes,
  ...incidentRoutes,
  ...drainRoutes,
  ...maintenanceRoutes,
  ...systemRoutes,
  ...configRoutes,
  ...notificationRoutes,
  ...peopleRoutes,
  ...signInRoutes,
  ...demoRoutes,
  ...laterRoutes,
  ...healthzRoutes,
}
