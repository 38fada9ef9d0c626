// Shows the venue's own description; asks nobody else, so no validator badge.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#description",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  syntaxHighlight: false,
  presets: [SwaggerUIBundle.presets.apis],
});
