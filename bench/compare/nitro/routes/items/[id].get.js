import { body, headers } from "../../body.js";

export default defineCachedEventHandler(
  (event) => {
    setResponseHeaders(event, headers);
    return body;
  },
  { maxAge: 600 },
);
