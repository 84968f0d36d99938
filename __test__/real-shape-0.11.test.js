'use strict';
// The shape of @owox/connectors 0.11.0: deasync, sync-request and adm-zip, undeclared.

require('./real-shape/suite').suite('0.11.0');
