package report

// titles of the papers, by their id in the records.
var titles = map[string]struct{ title, arXiv string }{
	"asc":        {"Neural Architecture Search on Acoustic Scene Classification", "1912.12825"},
	"autokws":    {"AutoKWS: Keyword Spotting with Differentiable Architecture Search", "2009.03658"},
	"dartsminus": {"DARTS-: Robustly Stepping out of Performance Collapse Without Indicators", "2009.01027"},
	"fairdarts":  {"Fair DARTS: Eliminating Unfair Advantages in Differentiable Architecture Search", "1911.12126"},
	"fairnas":    {"FairNAS: Rethinking Evaluation Fairness of Weight Sharing Neural Architecture Search", "1907.01845"},
	"mixpath":    {"MixPath: A Unified Approach for One-shot Neural Architecture Search", "2001.05887"},
	"moga":       {"MoGA: Searching Beyond MobileNetV3", "1908.01314"},
	"noisydarts": {"Noisy Differentiable Architecture Search", "2005.03566"},
	"rome":       {"ROME: Robustifying Memory-Efficient NAS via Topology Disentanglement and Gradient Accumulation", "2011.11233"},
	"scarlet":    {"SCARLET-NAS: Bridging the Gap between Stability and Scalability in Weight-sharing Neural Architecture Search", "1908.06022"},
}
