'use strict';
// The shape of @owox/connectors 0.31.0: promises, dependencies, a command of our alias's name.

require('./real-shape/suite').suite('0.31.0');
