"""The dashboards, by the schema that Grafana publishes as TypeScript types."""
